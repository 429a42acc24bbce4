"""Each rule of a ModelRoute that crosses fields: a spec that keeps it, a spec that breaks it alone, and its message."""

from typing import Any

import msgspec
import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.route import ModelRouteSpec
from penstock_contract.rules import RULES, broken_rules, check

MODEL = {"name": "m"}
PROVIDER = {"name": "p", "type": "OpenAI"}
SIMULATED = {"name": "p", "type": "Simulated", "simulated": {}}


def spec(
    models: list[dict[str, Any]] | None = None, providers: list[dict[str, Any]] | None = None, **fields: Any
) -> ModelRouteSpec:
    return msgspec.convert(
        {"models": models or [MODEL], "providers": providers or [PROVIDER], **fields}, ModelRouteSpec
    )


KEPT = {
    "two providers": spec(providers=[PROVIDER, {**PROVIDER, "name": "q"}]),
    "two models with aliases": spec([{"name": "m", "aliases": ["a"]}, {"name": "n", "aliases": ["b"]}]),
    "a wildcard beside a name": spec([MODEL, {"name": "*"}]),
    "a provider of weight 0 beside one that has some": spec(
        providers=[PROVIDER, {**PROVIDER, "name": "q", "weight": 0}]
    ),
    "a simulated provider": spec(providers=[SIMULATED]),
    "a first token as late as the end": spec(limits={"firstTokenTimeoutSeconds": 9, "requestTimeoutSeconds": 9}),
}

NAMES = "providers: names must be unique"
MODELS = "models: a name or alias may occur only once"
WEIGHTS = "providers: the weights of one priority must not all be 0"
NEEDS_SIMULATED = "providers: a Simulated provider needs the field simulated, and no other type may have it"
SIMULATED_ALONE = "providers: a Simulated provider has neither baseURL nor secretKeyRef"
FIRST_TOKEN = "limits: firstTokenTimeoutSeconds must not be longer than requestTimeoutSeconds"

BROKEN = {
    "two providers of one name": (spec(providers=[PROVIDER, PROVIDER]), NAMES),
    "two models of one name": (spec([MODEL, MODEL]), MODELS),
    "an alias that is another's name": (spec([MODEL, {"name": "n", "aliases": ["m"]}]), MODELS),
    "an alias that is its own name": (spec([{"name": "m", "aliases": ["m"]}]), MODELS),
    "an alias of two models": (spec([{"name": "m", "aliases": ["a"]}, {"name": "n", "aliases": ["a"]}]), MODELS),
    "an alias twice": (spec([{"name": "m", "aliases": ["a", "a"]}]), MODELS),
    "a priority without weight": (spec(providers=[{**PROVIDER, "weight": 0}]), WEIGHTS),
    "a fallback without weight": (
        spec(providers=[PROVIDER, {**PROVIDER, "name": "q", "priority": 1, "weight": 0}]),
        WEIGHTS,
    ),
    "a simulated provider that says nothing": (spec(providers=[{"name": "p", "type": "Simulated"}]), NEEDS_SIMULATED),
    "a real provider that simulates": (spec(providers=[{**PROVIDER, "simulated": {}}]), NEEDS_SIMULATED),
    "a simulated provider with a URL": (spec(providers=[{**SIMULATED, "baseURL": "http://a"}]), SIMULATED_ALONE),
    "a simulated provider with a key": (
        spec(providers=[{**SIMULATED, "secretKeyRef": {"name": "n", "key": "k"}}]),
        SIMULATED_ALONE,
    ),
    "a first token later than the end": (
        spec(limits={"firstTokenTimeoutSeconds": 9, "requestTimeoutSeconds": 8}),
        FIRST_TOKEN,
    ),
    "a default that is later than the end": (spec(limits={"requestTimeoutSeconds": 8}), FIRST_TOKEN),
}


def test_every_rule_has_an_example_that_breaks_it() -> None:
    assert {message for _, message in BROKEN.values()} == {rule.message for rule in RULES}


@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT)
def test_a_spec_that_keeps_the_rules_is_accepted(kept: ModelRouteSpec) -> None:
    check(kept)


@pytest.mark.parametrize(("broken", "message"), BROKEN.values(), ids=BROKEN)
def test_a_spec_that_breaks_one_rule_is_told_which(broken: ModelRouteSpec, message: str) -> None:
    assert broken_rules(broken) == [message]


def test_all_broken_rules_are_told_at_once() -> None:
    broken = spec([MODEL, MODEL], [PROVIDER, PROVIDER])

    with pytest.raises(PenstockError) as error:
        check(broken)

    assert error.value.detail.code == "invalid_request"
    assert error.value.detail.message == f"{NAMES}; {MODELS}"


def test_rules_see_the_defaults_that_an_author_left_out() -> None:
    explicit = spec(limits={"firstTokenTimeoutSeconds": 30, "requestTimeoutSeconds": 8})
    implicit = spec(limits={"requestTimeoutSeconds": 8})

    assert broken_rules(implicit) == broken_rules(explicit) == [FIRST_TOKEN]
