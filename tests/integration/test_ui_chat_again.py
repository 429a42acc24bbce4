"""A chat's answer after a reload: read again from any gateway by the chat's id, once, and stopped by it."""

import asyncio
from typing import Any

import httpx
import pytest
from harness.expect import error_of
from harness.gateway import Gateway
from harness.processes import until
from harness.provider_answers import DONE, chunk, finish, status, text_stream, text_then_wait, usage
from harness.provider_call import Answer, Call
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRACE = {"x-penstock-on-disconnect": "grace=30"}
HALF, REST = [f"word-{number} " for number in range(10)], [f"rest-{number} " for number in range(10)]


def body(chat_id: str) -> dict[str, Any]:
    message = {"id": "a", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
    return {"id": chat_id, "messages": [message], "trigger": "submit-message", "model": "main"}


def halves(go_on: asyncio.Event) -> Answer:
    async def answer(call: Call) -> None:
        await call.head()
        for word in HALF:
            await call.write(chunk(word))
        await go_on.wait()
        for word in REST:
            await call.write(chunk(word))
        await call.write(finish() + usage() + DONE)
        await call.end()

    return answer


async def begin(client: httpx.AsyncClient, chat_id: str, headers: dict[str, str] = GRACE) -> tuple[str, bytes]:
    """Read half of a chat's answer, then disconnect; returns the stream's id and the bytes."""
    read = b""
    async with client.stream("POST", "/api/chat", json=body(chat_id), headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        async for data in response.aiter_raw():
            read += data
            if HALF[-1].encode() in read:
                break
    return response.headers["x-request-id"], read


def text_of(data: bytes) -> str:
    return "".join(word for word in (*HALF, *REST) if word.encode() in data)


async def test_chat_is_read_again_from_its_beginning_at_another_gateway(stack: Stack, other: Gateway) -> None:
    go_on = asyncio.Event()
    stack.main.answers(halves(go_on))
    id_, read = await begin(stack.client, "reload")

    async with other.client.stream("GET", "/api/chat/reload/stream") as response:
        assert response.status_code == 200
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        go_on.set()
        again = await response.aread()

    assert again.startswith(read)
    assert text_of(again) == "".join((*HALF, *REST))
    assert again.endswith(b"data: [DONE]\n\n")
    assert id_.encode() in again
    assert len(stack.main.calls) == 1


async def test_chat_whose_end_was_read_has_nothing_to_read_again(stack: Stack, other: Gateway) -> None:
    stack.main.answers(text_stream("Hi"))
    response = await stack.post("/api/chat", body("whole"), headers=GRACE)
    assert response.text.endswith("data: [DONE]\n\n")

    async def nothing() -> bool:
        return (await other.client.get("/api/chat/whole/stream")).status_code == 204

    await until(nothing, "the chat has no unread answer")


async def test_chat_that_ended_unread_is_read_once(stack: Stack, other: Gateway) -> None:
    go_on = asyncio.Event()
    stack.main.answers(halves(go_on))
    await begin(stack.client, "unread")
    go_on.set()
    await until(lambda: stack.main.calls[0].finished, "the provider has answered")

    again = await other.client.get("/api/chat/unread/stream")
    assert text_of(again.content) == "".join((*HALF, *REST))

    async def nothing() -> bool:
        return (await stack.client.get("/api/chat/unread/stream")).status_code == 204

    await until(nothing, "the chat has no unread answer")


@pytest.mark.parametrize("chat_id", ["never", "req_000000000000000000000000", "a%20b"])
async def test_chat_without_an_answer_has_nothing_to_read(stack: Stack, chat_id: str) -> None:
    response = await stack.client.get(f"/api/chat/{chat_id}/stream")

    assert (response.status_code, response.content) == (204, b"")


async def test_chat_that_a_disconnect_cancels_has_nothing_to_read(stack: Stack) -> None:
    stack.main.answers(halves(asyncio.Event()))

    await begin(stack.client, "cancelled", headers={})

    assert (await stack.client.get("/api/chat/cancelled/stream")).status_code == 204
    await stack.main.calls[0].left()


async def test_chat_is_stopped_at_another_gateway_and_its_readers_get_an_abort(stack: Stack, other: Gateway) -> None:
    stack.main.answers(halves(asyncio.Event()))
    id_, _ = await begin(stack.client, "stopped")

    async with stack.client.stream("GET", "/api/chat/stopped/stream") as reader:
        stopped = await other.client.post("/api/chat/stopped/stop")
        read = await reader.aread()

    assert (stopped.status_code, stopped.json()["id"]) == (200, id_)
    assert b'data: {"type":"abort","reason":' in read
    assert read.endswith(b"data: [DONE]\n\n")
    await stack.main.calls[0].left()
    assert (await other.client.post("/api/chat/stopped/stop")).status_code == 204


async def test_chat_has_a_new_answer_that_an_older_stop_does_not_reach(stack: Stack) -> None:
    go_on = asyncio.Event()
    stack.main.answers(halves(go_on))
    older, _ = await begin(stack.client, "stale")
    newer, _ = await begin(stack.client, "stale")

    assert (await stack.client.post("/api/chat/stale/stop", params={"stream": older})).status_code == 204
    go_on.set()
    again = await stack.client.get("/api/chat/stale/stream")

    assert newer.encode() in again.content
    assert text_of(again.content) == "".join((*HALF, *REST))


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/chat", body("bytes")),
        (
            "/v1/completions",
            {"model": "main", "prompt": "hi", "stream": True, "stream_options": {"include_usage": True}},
        ),
        (
            "/v1/chat/completions",
            {"model": "main", "messages": [{"role": "user", "content": "hi"}], "n": 2, "stream": True},
        ),
    ],
)
async def test_stream_of_each_dialect_is_read_on_byte_for_byte(
    stack: Stack, other: Gateway, path: str, fields: dict[str, Any]
) -> None:
    stack.main.answers(text_stream(*HALF))
    async with stack.client.stream("POST", path, json=fields, headers=GRACE) as response:
        whole = await response.aread()
    id_ = response.headers["x-request-id"]

    again = [await other.client.get(f"/v1/streams/{id_}", params={"after": after}) for after in (0, 3)]

    assert again[0].content == whole
    assert again[1].content == whole.split(b"\n\n", 3)[3]
    assert len(stack.main.calls) == 1


async def test_chat_that_waits_gets_reports_before_its_answer(stack: Stack) -> None:
    await stack.reconfigure(slots=1)
    stack.main.answers(text_then_wait("busy"), text_stream("at last"))
    async with (
        stack.stream("/api/chat", body("first")) as first,
        stack.stream("/api/chat", body("second")) as second,
    ):
        while "busy" not in await first.event():
            pass
        report = await second.event()
        await first.response.aclose()
        rest = await second.rest()

    assert (
        report == 'data: {"type":"data-queued","data":{"position":1,"cause":"all workers are busy"},"transient":true}'
    )
    assert "at last" in rest


async def test_chat_refused_by_the_provider_leaves_nothing_to_read(stack: Stack) -> None:
    stack.main.answers(status(400))
    response = await stack.post("/api/chat", body("refused"), headers=GRACE)
    error_of(response, 400, "provider_rejected")

    async def nothing() -> bool:
        return (await stack.client.get("/api/chat/refused/stream")).status_code == 204

    await until(nothing, "the chat has no answer")
