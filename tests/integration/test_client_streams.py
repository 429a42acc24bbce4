"""Streams of the client against a scripted gateway: their events, their errors, and their end by the caller."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator

import pytest
from harness.client_pair import COMPLETION, HELLO, Both, consume, read
from harness.scripted_gateway import (
    DONE,
    ERROR,
    PATIENCE_S,
    Call,
    Gateway,
    stall,
    stream,
    text,
)

from penstock_client import AsyncClient, GatewayError, ResponseInfo, StreamTruncated
from penstock_contract.endpoints import (
    CHAT,
    CHAT_COMPLETION_STREAM,
)


def test_client_streams(both: Both) -> None:
    """Chunks arrive in order through heartbeats, and the request id can be read."""
    frames = [b": ping\n\n", text("Hel"), b": ping\n\n" + text("lo") + text("!"), DONE]
    with Gateway(stream(*frames)) as gateway, both.run(gateway).stream(CHAT, HELLO) as chunks:
        assert chunks.request_id == "req_1"
        assert read(chunks) == "Hello!"

    assert gateway.calls[0].body == {"messages": [{"role": "user", "content": "hello"}]}
    assert both.seen == [ResponseInfo("POST", "/api/chat", 200, "req_1", 0)]


def test_client_streams_the_openai_dialect(both: Both) -> None:
    """The endpoint's request sets `stream`."""
    frame = {"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
    script = stream(b"data: " + json.dumps(frame).encode() + b"\n\n", DONE)
    with Gateway(script) as gateway, both.run(gateway).stream(CHAT_COMPLETION_STREAM, COMPLETION) as chunks:
        assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hi"]

    assert gateway.calls[0].body["stream"] is True


def test_client_reads_a_stream_byte_by_byte(both: Both) -> None:
    """However small the network's portions are."""
    wire = text("Grüß") + text(" dich") + DONE
    script = stream(*(wire[i : i + 1] for i in range(len(wire))))
    with Gateway(script) as gateway, both.run(gateway).stream(CHAT, HELLO) as chunks:
        assert read(chunks) == "Grüß dich"


def test_client_returns_its_connection_after_a_complete_answer(both: Both) -> None:
    """The second request needs no second connection."""
    with Gateway(stream(text("a"), DONE), stream(text("b"), DONE)) as gateway:
        client = both.run(gateway)
        for expected in "ab":
            with client.stream(CHAT, HELLO) as chunks:
                assert read(chunks) == expected

        assert gateway.calls[0].connection is gateway.calls[1].connection


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"], ids=["cut", "ended cleanly"])
def test_client_raises_on_a_truncated_stream(both: Both, end: bytes) -> None:
    """The received part is returned, then the error is raised; the request is not sent again."""
    received: list[str] = []
    with Gateway(stream(text("a"), text("b"), end=end)) as gateway, pytest.raises(StreamTruncated) as caught:
        consume(both.run(gateway), received)

    assert (received, caught.value.request_id) == (["a", "b"], "req_1")
    assert (len(gateway.calls), both.pauses) == (1, [])


@pytest.mark.parametrize("frame", [b"event: error\ndata: ", b"data: "], ids=["simple", "OpenAI"])
@pytest.mark.parametrize("before", [[], ["a"]], ids=["first", "midway"])
def test_client_raises_on_an_error_event(both: Both, frame: bytes, before: list[str]) -> None:
    """With the code of the gateway's table, and without another try."""
    received: list[str] = []
    script = stream(*map(text, before), frame + ERROR + b"\n\n")
    with Gateway(script) as gateway, pytest.raises(GatewayError, match="the worker is gone") as caught:
        consume(both.run(gateway), received)

    assert received == before
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("worker_lost", 200, "req_1")
    assert (len(gateway.calls), both.pauses) == (1, [])


def test_client_raises_on_a_page_instead_of_a_stream(both: Both) -> None:
    """Also one with status 200."""

    def page(call: Call) -> None:
        call.answer(200, b"<html>", content_type="text/html")

    with Gateway(page) as gateway, pytest.raises(GatewayError, match="expected text/event-stream, got text/html"):
        consume(both.run(gateway), [])


def test_client_closes_the_connection_when_a_stream_is_left(both: Both) -> None:
    """The gateway detects it at once and ends the provider's call."""
    with Gateway(stall(text("a"), text("b"))) as gateway:
        with both.run(gateway).stream(CHAT, HELLO) as chunks:
            assert next(chunks).text == "a"

        assert gateway.calls[0].left.wait(PATIENCE_S)


def test_client_closes_the_connection_on_an_exception_in_the_block(both: Both) -> None:
    """And passes through unchanged."""
    with Gateway(stall(text("a"))) as gateway:
        with pytest.raises(AssertionError, match="mine"), both.run(gateway).stream(CHAT, HELLO) as chunks:
            assert next(chunks).text == "b", "mine"

        assert gateway.calls[0].left.wait(PATIENCE_S)


@contextlib.asynccontextmanager
async def streaming_task(gateway: Gateway) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.Event]]:
    """A task that reads a stream to its end, and an event for its first chunk."""
    first = asyncio.Event()

    async def consume(client: AsyncClient) -> None:
        async with client.stream(CHAT, HELLO) as chunks:
            async for _ in chunks:
                first.set()

    async with AsyncClient(gateway.url) as client:
        yield asyncio.create_task(consume(client)), first


async def test_client_closes_the_connection_when_the_task_is_cancelled() -> None:
    """Between two chunks, with the client itself still open."""
    with Gateway(stall(text("a"))) as gateway:
        async with streaming_task(gateway) as (task, first):
            await first.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert await asyncio.to_thread(gateway.calls[0].left.wait, PATIENCE_S)


async def test_client_closes_the_connection_when_cancelled_before_the_first_event() -> None:
    """While the request waits in the gateway's queue, behind heartbeats."""
    begun = threading.Event()

    def queued(call: Call) -> None:
        call.begin()
        call.chunk(b": ping\n\n")
        begun.set()
        call.wait_until_left()

    with Gateway(queued) as gateway:
        async with streaming_task(gateway) as (task, _):
            assert await asyncio.to_thread(begun.wait, PATIENCE_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert await asyncio.to_thread(gateway.calls[0].left.wait, PATIENCE_S)


async def test_client_closes_the_connection_on_a_timeout_around_the_stream() -> None:
    """`asyncio.timeout` is a cancellation too."""

    async def consume_for(limit: asyncio.Timeout, client: AsyncClient) -> None:
        async with limit, client.stream(CHAT, HELLO) as chunks:
            async for _ in chunks:
                limit.reschedule(asyncio.get_running_loop().time())

    with Gateway(stall(text("a"))) as gateway:
        async with AsyncClient(gateway.url) as client:
            with pytest.raises(TimeoutError):
                await consume_for(asyncio.timeout(None), client)

            assert await asyncio.to_thread(gateway.calls[0].left.wait, PATIENCE_S)
