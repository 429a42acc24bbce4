"""The recorded requests of Claude Code, sent again on a route of each provider dialect: see `harness.claude_code`."""

import json
from typing import Any

import msgspec
import pytest
from harness.claude_code import DIALECTS, Exchange, model, recorded, replayed
from harness.route_spec import provider
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSIONS = {name: recorded(name) for name in DIALECTS}


async def session(stack: Stack, name: str) -> list[Exchange]:
    providers = [provider("main", stack.main.base_url, type=DIALECTS[name], model="provided")]
    await stack.reconfigure(providers=providers)
    stack.main.answers(model(name))
    return [await replayed(stack, exchange) for exchange in SESSIONS[name]]


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("name", DIALECTS)
async def test_claude_code_gets_the_recorded_bytes(stack: Stack, name: str) -> None:
    """Golden: the answers, and the bodies that the provider receives. `make record-claude-code` renews them."""
    made = await session(stack, name)

    for now, before in zip(made, SESSIONS[name], strict=True):
        assert (now.status, now.answer) == (before.status, before.answer)
        assert compact(now.upstream) == compact(before.upstream)


async def test_claude_code_loses_nothing_on_the_way_to_an_anthropic_provider(stack: Stack) -> None:
    """Each field of a body has the bytes that the client sent, but for the model's name."""
    await session(stack, "anthropic")

    sent = [exchange for exchange in SESSIONS["anthropic"] if exchange.body is not None]
    assert len(stack.main.calls) == len(sent)
    for call, exchange in zip(stack.main.calls, sent, strict=True):
        assert fields(call.raw_body) == {**fields(compact(exchange.body).encode()), "model": b'"provided"'}
        assert call.headers["anthropic-beta"] == exchange.headers["anthropic-beta"]


def fields(body: bytes) -> dict[str, bytes]:
    """The bytes of each field's value."""
    return {name: bytes(value) for name, value in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}


@pytest.mark.parametrize("name", DIALECTS)
async def test_claude_code_recording_has_a_tool_and_the_turn_after_it(name: str) -> None:
    """A recording of fewer requests would pass the other tests."""
    bodies = [exchange.body for exchange in SESSIONS[name] if exchange.body is not None]

    assert len(bodies) >= 2
    assert any("Read" in {tool["name"] for tool in body["tools"]} for body in bodies)
    kinds = {block["type"] for block in bodies[-1]["messages"][-1]["content"]}
    assert "tool_result" in kinds
