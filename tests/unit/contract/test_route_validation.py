"""Each rule of a ModelRoute that crosses fields: a valid spec, a spec that breaks only this rule, and the message.

A real API server validates the same examples in tests/cluster/test_crd_rules.py.
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


def test_route_validation_has_an_example_that_breaks_every_rule() -> None:
    assert {message for _, message in BROKEN.values()} == {rule.message for rule in RULES}


@pytest.mark.parametrize("kept", [*KEPT.values(), *LOCAL_ONLY.values()], ids=[*KEPT, *LOCAL_ONLY])
def test_route_validation_accepts_a_valid_spec(kept: Spec) -> None:
    check(parsed(kept))


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN)
def test_route_validation_names_the_broken_rule(broken: Spec, message: str) -> None:
    assert broken_rules(parsed(broken)) == [message]


@pytest.mark.parametrize("document", LOCAL_ONLY.values(), ids=LOCAL_ONLY)
def test_route_validation_rejects_a_local_address_in_a_cluster(document: Spec) -> None:
    assert kept(LOCAL_ADDRESS, document) is False


@pytest.mark.parametrize("url", FAR)
def test_route_validation_accepts_any_other_address_in_a_cluster(url: str) -> None:
    check(parsed(at(url)))

    assert kept(LOCAL_ADDRESS, at(url)) is True


def test_route_validation_reports_all_broken_rules_at_once() -> None:
    names = "providers: names must be unique"
    models = "models: a name or alias may occur only once"

    with pytest.raises(PenstockError) as error:
        check(parsed(spec([MODEL, MODEL], [PROVIDER, PROVIDER])))

    assert error.value.detail.code == "invalid_request"
    assert error.value.detail.message == f"{names}; {models}"


def test_route_validation_applies_defaults_before_its_rules() -> None:
    explicit = spec(limits={"firstTokenTimeoutSeconds": 30, "requestTimeoutSeconds": 8})
    implicit = spec(limits={"requestTimeoutSeconds": 8})

    assert broken_rules(parsed(implicit)) == broken_rules(parsed(explicit)) != []


@pytest.mark.parametrize("value", ["", "flex", "{", '{"a":1', "1 2", "[1,]", "NaN", "'a'", "[" * 100_000])
def test_route_validation_names_a_field_with_invalid_json(value: str) -> None:
    document = spec(providers=[{**PROVIDER, "set": [{"name": "tier", "value": value[:8192] or " "}]}])

    (message,) = broken_rules(parsed(document))

    assert message.startswith("providers: set.tier of the provider p is not JSON")


def test_route_validation_of_the_key_header_uses_the_contracts_table() -> None:
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


@pytest.mark.parametrize("character", ["\x07", "\x1b", "\n", "\x7f", "\x9b"])
@pytest.mark.parametrize("field", ["name", "aliases"])
def test_route_validation_rejects_control_characters_in_a_models_name(field: str, character: str) -> None:
    name = f"model{character}[31m"
    model = {"name": name} if field == "name" else {"name": "model", "aliases": [name]}

    with pytest.raises(msgspec.ValidationError, match="regex"):
        parsed(spec(models=[model]))
