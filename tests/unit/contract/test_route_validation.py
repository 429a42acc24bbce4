"""Each rule of a ModelRoute that crosses fields: what keeps it, what breaks it alone, and its message on a laptop.

The examples are asked of a real API server too: tests/cluster/test_crd_rules.py.
"""

from typing import Any

import cel
import msgspec
import pytest
from harness.route_addresses import FAR, LOCAL_ONLY
from harness.route_examples import KEPT, MODEL, PROVIDER, Spec, at, spec
from harness.route_violations import BROKEN

from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.validation import LOCAL_ADDRESS, RULES, Rule, broken_rules, check


def parsed(document: Spec) -> ModelRouteSpec:
    return msgspec.convert(document, ModelRouteSpec)


def kept(rule: Rule, document: dict[str, Any]) -> object:
    return cel.evaluate(rule.cel, {"self": document["providers"][0]})


def test_every_rule_has_an_example_that_breaks_it() -> None:
    assert {message for _, message in BROKEN.values()} == {rule.message for rule in RULES}


@pytest.mark.parametrize("kept", [*KEPT.values(), *LOCAL_ONLY.values()], ids=[*KEPT, *LOCAL_ONLY])
def test_a_spec_that_keeps_the_rules_is_accepted(kept: Spec) -> None:
    check(parsed(kept))


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN)
def test_a_spec_that_breaks_one_rule_is_told_which(broken: Spec, message: str) -> None:
    assert broken_rules(parsed(broken)) == [message]


@pytest.mark.parametrize("document", LOCAL_ONLY.values(), ids=LOCAL_ONLY)
def test_an_address_that_only_a_laptop_may_have_breaks_the_rule_of_the_cluster(document: Spec) -> None:
    assert kept(LOCAL_ADDRESS, document) is False


@pytest.mark.parametrize("url", FAR)
def test_any_other_address_keeps_the_rule_of_the_cluster(url: str) -> None:
    check(parsed(at(url)))

    assert kept(LOCAL_ADDRESS, at(url)) is True


def test_all_broken_rules_are_told_at_once() -> None:
    names = "providers: names must be unique"
    models = "models: a name or alias may occur only once"

    with pytest.raises(PenstockError) as error:
        check(parsed(spec([MODEL, MODEL], [PROVIDER, PROVIDER])))

    assert error.value.detail.code == "invalid_request"
    assert error.value.detail.message == f"{names}; {models}"


def test_rules_see_the_defaults_that_an_author_left_out() -> None:
    explicit = spec(limits={"firstTokenTimeoutSeconds": 30, "requestTimeoutSeconds": 8})
    implicit = spec(limits={"requestTimeoutSeconds": 8})

    assert broken_rules(parsed(implicit)) == broken_rules(parsed(explicit)) != []


@pytest.mark.parametrize("value", ["", "flex", "{", '{"a":1', "1 2", "[1,]", "NaN", "'a'", "[" * 100_000])
def test_a_field_whose_text_is_no_json_is_named(value: str) -> None:
    document = spec(providers=[{**PROVIDER, "set": [{"name": "tier", "value": value[:8192] or " "}]}])

    (message,) = broken_rules(parsed(document))

    assert message.startswith("providers: set.tier of the provider p is not JSON")


def test_the_rule_of_the_key_header_has_the_contracts_own_table() -> None:
    for type_ in ("OpenAI", "Anthropic", "AzureOpenAI", "CloudflareWorkersAI"):
        provider = {
            **PROVIDER,
            "type": type_,
            "baseURL": "https://a.example",
            "secretKeyRef": {"name": "n", "key": "k"},
        }
        header = parsed(spec(providers=[provider])).providers[0].header_of_key
        added = {"name": header, "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}}
        assert broken_rules(parsed(spec(providers=[{**provider, "headers": [added]}])))
