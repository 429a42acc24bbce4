"""Requests to Anthropic, built from a client's chat."""

import json
from typing import Any

import pytest
from unit.support.operations import chat

from penstock_contract.errors import PenstockError
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.providers.anthropic.adapter import AnthropicAdapter

SPEC = ProviderSpec(name="anthropic", type="Anthropic")
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "tells it", "parameters": {"type": "object", "properties": {}}},
}


EPHEMERAL = {"type": "ephemeral"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def request(*messages: Any, key: str | None = None, spec: ProviderSpec = SPEC, **fields: Any) -> HttpRequest:
    return AnthropicAdapter().request(chat(*messages, **fields), "claude", spec, key)


def body(*messages: Any, spec: ProviderSpec = SPEC, **fields: Any) -> Any:
    return json.loads(request(*messages, spec=spec, **fields).body)


def turns(*messages: dict[str, Any]) -> Any:
    return body(*messages)["messages"]


def refused(*messages: dict[str, Any], spec: ProviderSpec = SPEC, **fields: Any) -> PenstockError:
    with pytest.raises(PenstockError) as error:
        request(*messages, spec=spec, **fields)
    return error.value


CALL = {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
