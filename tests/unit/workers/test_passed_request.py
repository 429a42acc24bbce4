"""Requests of Anthropic's Messages API to a provider of the same API: as the client sent them."""

import json
from typing import Any

import msgspec
import pytest
from unit.support.operations import messages

from penstock_contract.anthropic.body import read_count, read_messages
from penstock_contract.anthropic.nested_fields import ignored_inside
from penstock_contract.errors import PenstockError
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.providers.anthropic.adapter import AnthropicAdapter


def provider(**fields: Any) -> ProviderSpec:
    return msgspec.convert({"name": "p", "type": "Anthropic", **fields}, ProviderSpec)


def request(*turns: Any, spec: ProviderSpec | None = None, **fields: Any) -> HttpRequest:
    return AnthropicAdapter().request(messages(*turns, **fields), "claude", spec or provider(), "k")


EVERYTHING = {
    "model": "fast",
    "max_tokens": 32000,
    "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "user", "content": [{"type": "hologram", "depth": 1}]},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "redacted_thinking"}],
        },
    ],
    "tools": [{"type": "web_search_20260318", "name": "web_search", "max_uses": 3}],
    "thinking": {"type": "enabled", "budget_tokens": 31999},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "mcp_servers": [{"type": "url", "url": "https://a"}],
    "container": {"skills": []},
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "novel": {"a": [1.50, 12345678901234567890123]},
    "stream": False,
}


def test_passed_request_is_the_clients_but_for_model_and_stream() -> None:
    operation = read_messages(json.dumps(EVERYTHING).encode()).operation("2026-10-21", ("a-1", "b-2"))

    made = AnthropicAdapter().request(operation, "claude", provider(), "k")

    assert made.path == "/messages"
    assert made.headers == {"anthropic-version": "2026-10-21", "anthropic-beta": "a-1,b-2", "x-api-key": "k"}
    assert json.loads(made.body) == {**EVERYTHING, "model": "claude", "stream": True}
    assert b'{"a": [1.5, 12345678901234567890123]}' in made.body


def test_passed_request_without_betas_has_no_such_header() -> None:
    assert "anthropic-beta" not in request().headers


def test_passed_request_has_the_betas_of_the_route_and_of_the_client() -> None:
    spec = provider(headers=[{"name": "anthropic-beta", "value": "b-2, c-3"}])

    assert request(betas=("a-1", "b-2"), spec=spec).headers["anthropic-beta"] == "b-2,c-3,a-1"


def test_passed_request_obeys_the_routes_rules() -> None:
    spec = provider(drop=["metadata"], extraFields={"mode": "Refuse", "allow": ["fallbacks"]})

    made = json.loads(request(metadata={"user_id": "u"}, fallbacks=[1], spec=spec).body)
    assert set(made) == {"model", "max_tokens", "messages", "stream", "fallbacks"}
    for name in ("novel", "api_base"):
        with pytest.raises(PenstockError) as error:
            request(**{name: 1}, spec=spec)
        assert (error.value.code, error.value.detail.param) == ("invalid_request", name)


@pytest.mark.parametrize("name", ["fallbacks", "api_base", "extra_headers"])
def test_passed_request_refuses_what_would_steer_the_provider(name: str) -> None:
    with pytest.raises(PenstockError) as error:
        request(**{name: ["x"]})

    assert error.value.detail.param == name


def test_passed_request_leaves_out_thinking_of_another_apis_provider() -> None:
    others = {"type": "thinking", "thinking": "y", "signature": "penstock"}
    own = {"type": "thinking", "thinking": "x", "signature": "c2ln"}
    turns = [
        {"role": "user", "content": "say penstock"},
        {"role": "assistant", "content": [others, own, {"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [others]},
    ]
    operation = messages(*turns)

    made = AnthropicAdapter().request(operation, "claude", provider(), "k")
    assert json.loads(made.body)["messages"] == [
        turns[0],
        {"role": "assistant", "content": [own, {"type": "text", "text": "a"}]},
    ]
    assert ignored_inside(operation.body, provider()) == ["messages.content.thinking"]
    assert ignored_inside(messages(turns[0]).body, provider()) == []


def test_passed_count_is_sent_to_its_own_path_without_a_stream() -> None:
    count = read_count(b'{"model":"m","messages":[{"role":"user","content":"a"}],"stream":true}')

    made = AnthropicAdapter().request(count.count("2023-06-01", ("a-1",)), "claude", provider(), "k")

    assert made.path == "/messages/count_tokens"
    assert json.loads(made.body) == {"messages": [{"role": "user", "content": "a"}], "model": "claude"}
    assert made.headers["anthropic-beta"] == "a-1"
