"""Anthropic Messages through gateway, broker and worker, on routes of Anthropic's dialect, of OpenAI's, and of both."""

import asyncio
import json
from typing import Any

import pytest
from harness.processes import until
from harness.provider_answers import DONE, data, finish, json_answer, status, stream, text_stream, text_then_cut, usage
from harness.provider_call import Call
from harness.route_spec import provider
from harness.stack import Stack

from penstock_broker.stores.usage import read_rows
from penstock_contract.usage.record import UsageRow

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"gateway_env": {"PENSTOCK_PING_AFTER_S": "0.2"}}
HI = {"model": "main", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


def event(type_: str, **fields: Any) -> bytes:
    return data({"type": type_, **fields})


START = {"id": "msg_p", "type": "message", "role": "assistant", "model": "claude-p", "content": [], "novel": 1}
ANSWER = [
    event(
        "message_start",
        message={**START, "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1}},
    ),
    event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
    event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}),
    event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"}),
    event("content_block_stop", index=0),
    event("content_block_start", index=1, content_block={"type": "hologram", "depth": 1.50}),
    event("content_block_stop", index=1),
    event("content_block_start", index=2, content_block={"type": "text", "text": ""}),
    event("ping"),
    event("content_block_delta", index=2, delta={"type": "text_delta", "text": "Hel"}),
    event("content_block_delta", index=2, delta={"type": "text_delta", "text": "lo"}),
    event("content_block_delta", index=2, delta={"type": "citations_delta", "citation": {"cited_text": "x"}}),
    event("content_block_stop", index=2),
    event("message_delta", delta={"stop_reason": "pause_turn", "stop_sequence": None}, usage={"output_tokens": 9}),
    event("message_stop"),
]


async def anthropic(stack: Stack, **fields: Any) -> None:
    """Give route "main" a provider of Anthropic's dialect."""
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url, type="Anthropic", model="claude-p", **fields)]
    )


def objects(body: str) -> list[Any]:
    found = []
    for one in body.split("\n\n"):
        if one and not one.startswith(":"):
            name, _, text = one.partition("\n")
            found.append(json.loads(text.removeprefix("data: ")))
            assert name == f"event: {found[-1]['type']}"
    return found


async def test_messages_of_the_same_api_lose_nothing_in_either_direction(stack: Stack) -> None:
    await anthropic(stack)
    stack.main.answers(stream(*ANSWER))
    body = {**HI, "stream": True, "tools": [{"type": "web_search_20260318", "name": "w"}], "novel": {"a": 1.5}}
    headers = {"anthropic-version": "2026-10-21", "anthropic-beta": "a-1, b-2"}

    response = await stack.post("/v1/messages?beta=true", body, headers=headers)

    [call] = stack.main.calls
    assert call.body == {**body, "model": "claude-p"}
    assert (call.headers["anthropic-version"], call.headers["anthropic-beta"]) == ("2026-10-21", "a-1,b-2")
    expected = [json.loads(one.removeprefix(b"data: ")) for one in ANSWER if b"ping" not in one]
    expected[0]["message"] |= {"model": "main"}
    start, *rest = [one for one in objects(response.text) if one["type"] != "ping"]
    assert rest == expected[1:]
    assert (
        start["message"].items()
        >= {key: value for key, value in expected[0]["message"].items() if key != "usage"}.items()
    )
    assert start["message"]["usage"].items() >= expected[0]["message"]["usage"].items()
    assert "x-penstock-ignored" not in response.headers
    assert response.headers["request-id"] == response.headers["x-request-id"]


async def test_messages_of_the_same_api_are_whole_without_a_stream(stack: Stack) -> None:
    await anthropic(stack)
    stack.main.answers(stream(*ANSWER))

    response = await stack.post("/v1/messages", HI)

    message = response.json()
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "hologram", "depth": 1.5},
        {"type": "text", "text": "Hello", "citations": [{"cited_text": "x"}]},
    ]
    assert (message["id"], message["model"], message["stop_reason"], message["novel"]) == (
        "msg_p",
        "main",
        "pause_turn",
        1,
    )
    assert message["usage"].items() >= {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 9}.items()


async def test_messages_are_translated_for_a_provider_of_another_api(stack: Stack) -> None:
    stack.main.answers(
        stream(*_openai("Hel", "lo"), finish(), usage(30, 4, prompt_tokens_details={"cached_tokens": 10}), DONE)
    )
    body = {**HI, "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}], "speed": "fast"}

    response = await stack.post("/v1/messages", body, headers={"anthropic-beta": "a-1"})

    message = response.json()
    assert message["content"] == [{"type": "text", "text": "Hello", "citations": None}]
    assert message["usage"].items() >= {"input_tokens": 20, "cache_read_input_tokens": 10, "output_tokens": 4}.items()
    assert response.headers["x-penstock-ignored"] == "speed, anthropic-beta, system.cache_control"
    [call] = stack.main.calls
    assert call.path.endswith("/chat/completions")
    assert call.body["messages"] == [{"role": "system", "content": "S"}, {"role": "user", "content": "hi"}]


def _openai(*texts: str) -> list[bytes]:
    return [data({"choices": [{"index": 0, "delta": {"content": text}}]}) for text in texts]


async def test_messages_have_pings_while_the_provider_is_silent(stack: Stack) -> None:
    more = asyncio.Event()

    async def slowly(call: Call) -> None:
        await call.head()
        await call.write(b"".join(_openai("Hel")))
        await more.wait()
        await call.write(b"".join([*_openai("lo"), finish(), usage(), DONE]))
        await call.end()

    stack.main.answers(slowly)
    async with stack.stream("/v1/messages", {**HI, "stream": True}) as reader:
        events = [await reader.event() for _ in range(4)]
        more.set()
        rest = await reader.rest()

    assert events[3] == 'event: ping\ndata: {"type":"ping"}'
    assert [one["type"] for one in objects(rest) if one["type"] != "ping"][-1] == "message_stop"


async def test_messages_end_with_an_error_event_when_the_answer_breaks_off(stack: Stack) -> None:
    for dialect in ("OpenAI", "Anthropic"):
        if dialect == "Anthropic":
            await anthropic(stack)
            stack.main.answers(stream(*ANSWER[:10]))
        else:
            stack.main.answers(text_then_cut("Hel"))

        response = await stack.post("/v1/messages", {**HI, "stream": True})

        last = objects(response.text)[-1]
        assert (last["type"], last["error"]["type"]) == ("error", "api_error")
        assert last["error"]["code"] == "provider_stream_broken"
        assert last["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize("dialect", ["OpenAI", "Anthropic"])
async def test_messages_report_a_providers_refusal_in_anthropics_shape(stack: Stack, dialect: str) -> None:
    if dialect == "Anthropic":
        await anthropic(stack)
    stack.main.answers(
        status(400, body={"type": "error", "error": {"type": "invalid_request_error", "message": "top_k: too small"}})
    )

    response = await stack.post("/v1/messages", HI)

    assert response.status_code == 400
    error = response.json()
    assert (error["type"], error["error"]["type"], error["error"]["message"]) == (
        "error",
        "invalid_request_error",
        "top_k: too small",
    )


async def test_messages_error_keeps_the_details_of_an_anthropic_provider(stack: Stack) -> None:
    """Golden bytes: the error object's further fields, without our credential and the provider's address."""
    await anthropic(stack)
    details = {"error_code": "thread_unsupported_request", "unsupported": [{"field": "tools[0]"}]}
    refusal = {"type": "invalid_request_error", "message": "no thread", "details": details, "see": stack.main.base_url}
    stack.main.answers(status(400, body={"type": "error", "error": refusal, "request_id": "req_theirs"}))

    response = await stack.post("/v1/messages", HI)

    assert response.status_code == 400
    assert response.text.replace(response.headers["request-id"], "ID") == (
        '{"error":{"details":{"error_code":"thread_unsupported_request","unsupported":[{"field":"tools[0]"}]},'
        '"see":"[address]","type":"invalid_request_error","message":"no thread","code":"provider_rejected",'
        '"param":null},"request_id":"ID","type":"error"}'
    )


async def test_messages_before_their_first_content_move_to_the_next_provider(stack: Stack) -> None:
    other = stack.provider.upstream("other")
    await stack.reconfigure(
        routing={"retries": 0},
        providers=[
            provider("first", stack.main.base_url, type="Anthropic"),
            provider("second", other.base_url, priority=1),
        ],
    )
    busy = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    stack.main.answers(stream(ANSWER[0], ANSWER[7], busy))
    other.answers(text_stream("Hi"))

    response = await stack.post("/v1/messages", {**HI, "stream": True})

    kinds = [one["type"] for one in objects(response.text) if one["type"] != "ping"]
    assert kinds.count("message_start") == 1
    assert kinds[-1] == "message_stop"
    assert "Hi" in response.text


async def test_messages_that_one_provider_cannot_have_go_to_one_that_can(stack: Stack) -> None:
    other = stack.provider.upstream("other")
    await stack.reconfigure(
        providers=[
            provider("first", stack.main.base_url),
            provider("second", other.base_url, type="Anthropic", priority=1),
        ],
    )
    other.answers(stream(*ANSWER))

    response = await stack.post("/v1/messages", {**HI, "tools": [{"type": "web_search_20260318", "name": "w"}]})

    assert response.json()["content"][2]["text"] == "Hello"
    assert stack.main.calls == []


@pytest.mark.parametrize(
    ("change", "headers", "param"),
    [
        ({"max_tokens": None}, {}, "max_tokens"),
        ({"container": "c"}, {}, "container"),
        ({"novel": 1}, {}, "novel"),
        ({"tools": [{"type": "web_search_20260318", "name": "w"}]}, {}, "tools[0]"),
        ({"temperature": 1}, {"anthropic-version": "2026-10-21"}, "temperature"),
        ({}, {"anthropic-version": "2024-01-01"}, "anthropic-version"),
        ({}, {"anthropic-beta": "a b"}, "anthropic-beta"),
        ({"Model": "x"}, {}, "Model"),
    ],
)
async def test_messages_refuse_by_name_what_cannot_be_honoured(
    stack: Stack, change: dict[str, Any], headers: dict[str, str], param: str
) -> None:
    response = await stack.post("/v1/messages", {**HI, **change}, headers=headers)

    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert param in error["message"]
    assert stack.main.calls == []


async def test_messages_count_is_the_providers_or_an_estimate(stack: Stack) -> None:
    count = {"model": "main", "messages": HI["messages"]}

    estimate = await stack.post("/v1/messages/count_tokens", count)
    assert estimate.headers["x-penstock-estimated"] == "input_tokens"
    assert estimate.json()["input_tokens"] > 0
    assert stack.main.calls == []

    await anthropic(stack)
    stack.main.answers(json_answer({"input_tokens": 1234}), status(404), text_then_cut(), status(401))
    counted = await stack.post("/v1/messages/count_tokens?beta=true", count, headers={"anthropic-beta": "a-1"})
    assert counted.json() == {"input_tokens": 1234}
    assert stack.main.calls[0].path.endswith("/messages/count_tokens")
    assert "x-penstock-estimated" not in counted.headers
    rows: list[UsageRow] = []

    async def closed() -> bool:
        rows[:] = [row async for row in read_rows(stack.connection, since=0) if row.id == counted.headers["request-id"]]
        return bool(rows) and rows[0].ended == "stop"

    await until(closed, "the row of the count is closed")
    assert (rows[0].tokens.input, rows[0].tokens.output, rows[0].cost) == (0, 0, "0")

    missing = await stack.post("/v1/messages/count_tokens", count)
    assert missing.json() == estimate.json()
    assert missing.headers["x-penstock-estimated"] == "input_tokens"


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/messages/batches"), ("GET", "/v1/messages")])
async def test_messages_errors_of_other_paths_have_anthropics_shape(stack: Stack, method: str, path: str) -> None:
    response = await stack.client.request(method, path)

    assert response.json()["type"] == "error"
    assert response.json()["request_id"] == response.headers["request-id"]


async def test_messages_models_are_in_the_shape_of_the_clients_api(stack: Stack) -> None:
    version = {"anthropic-version": "2023-06-01"}

    page = (await stack.client.get("/v1/models?limit=1", headers=version)).json()
    assert page["data"][0]["type"] == "model"
    assert page["has_more"] is True
    following = (await stack.client.get(f"/v1/models?after_id={page['last_id']}", headers=version)).json()
    assert following["has_more"] is False
    names = {one["id"] for one in page["data"] + following["data"]}
    assert names == {one["id"] for one in (await stack.client.get("/v1/models")).json()["data"]}
    missing = await stack.client.get("/v1/models/none", headers=version)
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")
    assert (await stack.client.head("/v1/models", headers=version)).status_code == 200
