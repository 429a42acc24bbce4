"""Fields that a route adds to a provider's requests, in each dialect."""

import json
from typing import Any

import msgspec
import pytest
from unit.support.operations import chat, embeddings

from penstock_contract.request.operations import Operation
from penstock_contract.route.spec import ProviderSpec
from penstock_worker.providers.set_fields import with_fields
from penstock_worker.upstream.provider_factory import ADAPTERS

HOSTS = {
    "OpenAI": "https://api.example.com/v1",
    "Anthropic": "https://api.anthropic.com/v1",
    "AzureOpenAI": "https://r.openai.azure.com/openai/v1",
    "CloudflareWorkersAI": "https://api.cloudflare.com/client/v4/accounts/a/ai",
}


def sent(operation: Operation, type_: str = "OpenAI", drop: tuple[str, ...] = (), **fields: str) -> Any:
    document = {
        "name": "p",
        "type": type_,
        "baseURL": HOSTS[type_],
        "drop": list(drop),
        "set": [{"name": name, "value": value} for name, value in fields.items()],
    }
    spec = msgspec.convert(document, ProviderSpec)
    request = ADAPTERS[type_]().request(operation, "model", spec, None)
    return json.loads(with_fields(request, spec.set_fields, operation).body)


@pytest.mark.parametrize("type_", HOSTS)
def test_set_fields_are_in_the_body_of_every_type_that_sends_json(type_: str) -> None:
    body = sent(chat(), type_, service_tier='"flex"', vendor='{"a": [1, 1e2, 123456789012345678901234567890]}')

    assert body["service_tier"] == "flex"
    assert body["vendor"] == {"a": [1, 100.0, 123456789012345678901234567890]}
    assert body["messages"]


@pytest.mark.parametrize("type_", HOSTS)
def test_set_fields_yield_to_the_clients_value(type_: str) -> None:
    assert sent(chat(temperature=0.25), type_, temperature="0.5")["temperature"] == 0.25


@pytest.mark.parametrize("type_", HOSTS)
def test_set_fields_replace_a_dropped_field_of_the_client(type_: str) -> None:
    assert sent(chat(temperature=0.25), type_, ("temperature",), temperature="0.5")["temperature"] == 0.5


def test_set_fields_treat_both_names_of_the_bound_as_one() -> None:
    assert "max_tokens" not in sent(chat(max_completion_tokens=5), max_tokens="9")
    assert sent(chat(), max_tokens="9")["max_tokens"] == 9


def test_set_fields_of_chat_and_embeddings_are_separate() -> None:
    added = {"reasoning_effort": '"low"', "dimensions": "8", "input_type": '"query"'}

    assert sent(embeddings("a"), **added) == {"model": "model", "input": "a", "dimensions": 8, "input_type": "query"}
    body = sent(chat(), **added)
    assert (body["reasoning_effort"], body["input_type"]) == ("low", "query")
    assert "dimensions" not in body
