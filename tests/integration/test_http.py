"""HTTP below the streams: persistent connections, old clients, slow clients, and proxies."""

import asyncio
import json
import re

import pytest
from harness.provider_answers import chunk, finish, status, text_stream, text_then_cut
from harness.provider_call import Call
from harness.raw_http import IMPATIENT, STREAMS, RawClient, same_for_all
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
STACK = IMPATIENT


async def test_gateway_keeps_a_connection_after_a_stream(stack: Stack) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        for text in ("one", "two"):
            stack.main.answers(text_stream(text))
            client.send("/api/chat", completion())
            assert "transfer-encoding: chunked" in (await client.head()).lower()
            assert texts_of(b"".join(await client.chunks()).decode()) == text
        client.send("/api/chat", {})
        assert (await client.head()).startswith("HTTP/1.1 400 ")


@STREAMS
async def test_gateway_keeps_a_connection_after_a_failed_stream(stack: Stack, path: str) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        stack.main.answers(text_then_cut("Hel"), status(500), text_stream("Hello"))
        client.send(path, completion(stream=True))
        await client.head()
        assert b'"error"' in b"".join(await client.chunks())
        client.send(path, completion(stream=True))
        head = await client.head()
        assert head.startswith("HTTP/1.1 502 ")
        length = re.search(r"content-length: (\d+)", head)
        assert length is not None
        await client.reader.readexactly(int(length[1]))
        client.send(path, completion(stream=True))
        await client.head()
        assert texts_of(b"".join(await client.chunks()).decode()) == "Hello"


async def test_gateway_answers_pipelined_requests_in_order(stack: Stack) -> None:
    stack.main.answers(text_stream("one"), text_stream("two"))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion())
        client.send("/api/chat", completion())
        for text in ("one", "two"):
            await client.head()
            assert texts_of(b"".join(await client.chunks()).decode()) == text


async def test_gateway_writes_an_event_in_one_chunk(stack: Stack) -> None:
    stack.main.answers(text_stream(*(f"{number} " for number in range(50))))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion())
        await client.head()
        for piece in await client.chunks():
            assert piece.startswith(b"data: ")
            assert piece.endswith(b"\n\n")


async def test_gateway_writes_an_event_as_soon_as_the_provider_sends_it(stack: Stack) -> None:
    gate = asyncio.Event()

    async def halting(call: Call) -> None:
        await call.head()
        await call.write(chunk("one"))
        await gate.wait()
        await call.write(chunk("two") + finish())
        await call.end()

    stack.main.answers(halting)
    async with stack.stream("/api/chat", completion()) as stream_:
        assert await stream_.event() == 'data: {"text":"one"}'
        gate.set()
        assert await stream_.event() == 'data: {"text":"two"}'


async def test_gateway_sends_headers_against_buffering_proxies(stack: Stack) -> None:
    response = await stack.post("/api/chat", completion())
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers


@STREAMS
async def test_gateway_streams_to_an_http_1_0_client_until_it_closes(stack: Stack, path: str) -> None:
    stack.main.answers(text_stream("Hel", "lo"))
    modern = await stack.post(path, completion(stream=True))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send(path, completion(stream=True), version="1.0")
        head = await client.head()
        body = (await client.reader.read()).decode()
    assert head.startswith("HTTP/1.1 200 ")
    assert "transfer-encoding" not in head.lower()
    assert "x-request-id: req_" in head
    assert same_for_all(body) == same_for_all(modern.text)


async def test_gateway_closes_after_the_stream_on_connection_close(stack: Stack) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion(), headers="Connection: close\r\n")
        await client.head()
        assert texts_of(b"".join(await client.chunks()).decode()) == "Hello"
        assert await client.reader.read() == b""


async def test_gateway_answers_expect_100_continue(stack: Stack) -> None:
    body = json.dumps(completion()).encode()
    async with RawClient.connected(stack.gateway_port) as client:
        client.writer.write(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert (await client.head()).startswith("HTTP/1.1 100 ")
        client.writer.write(body)
        assert (await client.head()).startswith("HTTP/1.1 200 ")
        assert texts_of(b"".join(await client.chunks()).decode()) == "Hello"
    assert len(stack.main.calls) == 1
