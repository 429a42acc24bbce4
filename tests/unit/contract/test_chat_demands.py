"""Fields that every provider of a route must have: several choices, and log probabilities."""

import json
from typing import Any

import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import ChatBody, read_chat, read_chat_completion
from penstock_contract.request.chat_fields import check_demands
from penstock_contract.route.provider import ProviderSpec

OPENAI = ProviderSpec(name="a", type="OpenAI")
AZURE = ProviderSpec(name="b", type="AzureOpenAI", base_url="https://x.openai.azure.com/openai/v1")
ANTHROPIC = ProviderSpec(name="c", type="Anthropic")
WORKERS_AI = ProviderSpec(name="d", type="CloudflareWorkersAI")
SIMULATED = ProviderSpec(name="e", type="Simulated")
DROPPING = ProviderSpec(name="f", type="OpenAI", drop=["n", "logprobs", "top_logprobs"])


def read(**fields: Any) -> ChatBody:
    return read_chat_completion(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()
    )


@pytest.mark.parametrize(
    ("fields", "demands", "choices"),
    [
        ({}, (), 1),
        ({"n": 1, "logprobs": False, "top_logprobs": 0}, (), 1),
        ({"n": None, "logprobs": None, "top_logprobs": None}, (), 1),
        ({"n": 1.0}, (), 1),
        ({"n": 3}, ("n",), 3),
        ({"n": 2.0, "logprobs": True, "top_logprobs": 5}, ("n", "logprobs", "top_logprobs"), 2),
        ({"top_logprobs": 1}, ("top_logprobs",), 1),
    ],
)
def test_chat_body_names_its_demands(fields: dict[str, Any], demands: tuple[str, ...], choices: int) -> None:
    body = read(**fields)

    assert (body.demands, body.operation.choices) == (demands, choices)


@pytest.mark.parametrize(("name", "value"), [("n", 2), ("logprobs", True), ("top_logprobs", 1)])
def test_chat_body_refuses_demands_where_the_dialect_has_no_place_for_them(name: str, value: object) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], name: value}

    with pytest.raises(PenstockError) as error:
        read_chat(json.dumps(body).encode())

    assert (error.value.code, error.value.detail.param) == ("invalid_request", name)


@pytest.mark.parametrize("name", ["n", "logprobs", "top_logprobs"])
@pytest.mark.parametrize("lacking", [ANTHROPIC, WORKERS_AI, SIMULATED, DROPPING], ids=lambda spec: spec.name)
def test_demands_are_refused_where_one_provider_of_the_route_lacks_them(name: str, lacking: ProviderSpec) -> None:
    with pytest.raises(PenstockError) as error:
        check_demands((name,), [OPENAI, lacking])

    assert (error.value.code, error.value.detail.param) == ("unsupported_by_provider", name)
    assert name in error.value.detail.message


def test_demands_are_met_by_providers_of_openais_type() -> None:
    check_demands(("n", "logprobs", "top_logprobs"), [OPENAI, AZURE])
    check_demands((), [ANTHROPIC])
