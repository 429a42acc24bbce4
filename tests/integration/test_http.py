"""HTTP under the streams: which connections live on, old clients, slow ones, and servers that are not ours."""

import asyncio
import contextlib
import json
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from harness.expect import error_of, stream_error_of
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until
from harness.provider import (
    DONE,
    Call,
    chunk,
    data,
    delta,
    finish,
    say,
    say_then_cut,
    say_then_wait,
    silence,
    status,
    stream,
    usage,
    when,
)
from harness.stack import Stack, completion, texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {
    "gateway_env": {
        "PENSTOCK_COMMIT_AFTER_S": "0.3",
        "PENSTOCK_PING_AFTER_S": "0.3",
        "PENSTOCK_WRITE_TIMEOUT_S": "1",
        "PENSTOCK_CLIENT_BUFFER_BYTES_MAX": "65536",
        "PENSTOCK_ANSWER_BYTES_MAX": "1048576",
    },
    "routing": {"retries": 0},
    "limits": {"firstTokenTimeoutSeconds": 1.2},
}
STREAMS = pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"], ids=["seed", "openai"])


class RawClient:
    """One TCP connection to a gateway; every byte of what comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator["RawClient"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def send(self, path: str, body: object, *, version: str = "1.1", headers: str = "") -> None:
        content = json.dumps(body).encode()
        head = f"POST {path} HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}"
        self.writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)

    async def head(self) -> str:
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def chunks(self) -> list[bytes]:
        """A chunked body, chunk by chunk."""
        chunks = []
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data_ = await self.reader.readexactly(size + 2)
            assert data_.endswith(b"\r\n")
            if size == 0:
                return chunks
            chunks.append(data_[:-2])


async def test_a_connection_is_used_again_after_a_stream(stack: Stack) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        for text in ("one", "two"):
            stack.main.answers(say(text))
            client.send("/api/chat", completion())
            assert "transfer-encoding: chunked" in (await client.head()).lower()
            assert texts_of(b"".join(await client.chunks()).decode()) == text
        client.send("/api/chat", {})
        assert (await client.head()).startswith("HTTP/1.1 400 ")


@STREAMS
async def test_a_connection_is_used_again_after_a_stream_that_failed(stack: Stack, path: str) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        stack.main.answers(say_then_cut("Hel"), status(500), say("Hello"))
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


async def test_two_requests_sent_at_once_on_a_connection_are_answered_in_turn(stack: Stack) -> None:
    stack.main.answers(say("one"), say("two"))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion())
        client.send("/api/chat", completion())
        for text in ("one", "two"):
            await client.head()
            assert texts_of(b"".join(await client.chunks()).decode()) == text


async def test_an_event_is_never_split_over_two_chunks(stack: Stack) -> None:
    stack.main.answers(say(*(f"{number} " for number in range(50))))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion())
        await client.head()
        for piece in await client.chunks():
            assert piece.startswith(b"data: ")
            assert piece.endswith(b"\n\n")


async def test_an_event_leaves_as_soon_as_the_provider_has_said_it(stack: Stack) -> None:
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


async def test_streams_carry_what_proxies_need_to_leave_them_alone(stack: Stack) -> None:
    response = await stack.post("/api/chat", completion())
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers


@STREAMS
async def test_an_http_1_0_client_gets_the_same_bytes_until_the_connection_closes(stack: Stack, path: str) -> None:
    stack.main.answers(say("Hel", "lo"))
    modern = await stack.post(path, completion(stream=True))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send(path, completion(stream=True), version="1.0")
        head = await client.head()
        body = (await client.reader.read()).decode()
    assert head.startswith("HTTP/1.1 200 ")
    assert "transfer-encoding" not in head.lower()
    assert "x-request-id: req_" in head
    assert same_for_all(body) == same_for_all(modern.text)


async def test_a_client_that_asks_to_close_is_closed_after_its_stream(stack: Stack) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion(), headers="Connection: close\r\n")
        await client.head()
        assert texts_of(b"".join(await client.chunks()).decode()) == "Hello"
        assert await client.reader.read() == b""


async def test_a_client_that_expects_100_continue_gets_it(stack: Stack) -> None:
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


# Silence and slowness


@STREAMS
async def test_a_silent_stream_says_ping(stack: Stack, path: str) -> None:
    stack.main.answers(say_then_wait("Hel"))
    async with stack.stream(path, completion(stream=True)) as stream_:
        await stream_.event()
        assert await stream_.event() == ": ping"
        assert await stream_.event() == ": ping"


@STREAMS
async def test_a_request_that_waits_long_gets_its_200_and_pings_and_then_its_answer(stack: Stack, path: str) -> None:
    gate = asyncio.Event()
    stack.main.answers(when(gate, say("Hello")))
    async with stack.stream(path, completion(stream=True)) as stream_:
        assert stream_.response.status_code == 200
        assert await stream_.event() == ": ping"
        gate.set()
        body = await stream_.rest()
    assert texts_of(body) == "Hello"
    assert body.endswith("data: [DONE]\n\n")


@STREAMS
async def test_after_its_200_a_late_failure_is_the_dialects_event(stack: Stack, path: str) -> None:
    stack.main.answers(silence)
    response = await stack.post(path, completion(stream=True))
    events = stream_error_of(response, response.text, "first_token_timeout")
    assert set(events) == {": ping"}


async def test_an_answer_as_a_whole_waits_for_its_status_however_long_it_takes(stack: Stack) -> None:
    stack.main.answers(silence)
    error_of(await stack.post("/v1/chat/completions", completion()), 504, "first_token_timeout")


async def flood(call: Call) -> None:
    await call.head()
    while not call.gone.is_set():
        await call.write(chunk("x" * 4096) * 16)
        await asyncio.sleep(0.001)


@STREAMS
async def test_a_client_that_does_not_read_is_cut_and_its_call_ended(stack: Stack, path: str) -> None:
    stack.main.answers(flood)
    async with RawClient.connected(stack.gateway_port) as client:
        client.send(path, completion(stream=True))
        await client.head()
        request_id = (await stack.gateway.said("gateway.request_ended"))["request_id"]
        ended = await stack.gateway.said("gateway.request_ended", request_id=request_id)
        assert ended["code"] == "slow_client"
        await stack.main.calls[0].left(2)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.chunks()


async def test_an_endless_answer_to_who_wants_it_whole_is_ended_and_its_call_too(stack: Stack) -> None:
    stack.main.answers(flood)
    error_of(await stack.post("/v1/chat/completions", completion()), 502, "answer_too_large")
    await stack.main.calls[0].left(2)


async def test_a_client_that_reads_a_little_late_loses_nothing(stack: Stack) -> None:
    tokens = [f"{number:05d} " * 10 for number in range(300)]
    stack.main.answers(say(*tokens))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion())
        await stack.gateway.said("gateway.request_ended", code=None)
        await client.head()
        assert texts_of(b"".join(await client.chunks()).decode()) == "".join(tokens)


async def test_a_request_that_never_ends_does_not_hold_up_the_others(stack: Stack) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        client.writer.write(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"


# Servers that hand no connection over


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["httptools", "h11"])
async def plain(request: pytest.FixtureRequest, module_stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The same app under a stock uvicorn, on the same broker."""
    port = free_port()
    process = Process(
        f"plain-{request.param}",
        [sys.executable, "-m", "harness.plain_gateway"],
        module_stack.directory / f"plain-{request.param}.log",
        {
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "PENSTOCK_NATS_URL": module_stack.nats.url,
            "PENSTOCK_PORT": str(port),
            "PLAIN_HTTP": request.param,
            **STACK["gateway_env"],  # type: ignore[dict-item]
        },
        leashed=True,
    )
    async with plain_client(f"http://127.0.0.1:{port}", timeout=30) as client:

        async def ready() -> bool:
            assert process.alive, process.log()
            try:
                return (await client.get("/ready")).status_code == 200
            except httpx.TransportError:
                return False

        try:
            await until(ready, "the plain gateway is ready")
            yield client
        finally:
            process.signal(signal.SIGTERM)
            await process.end()


ANSWERS = {
    "text": say("Hel", "lo ", "Wörld 🌍"),
    "tools": stream(
        delta(tool_calls=[{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
        finish("tool_calls"),
        DONE,
    ),
    "reasoning": stream(delta(reasoning_content="Hm"), chunk("Yes"), finish(), usage(), DONE),
    "cut": say_then_cut("Hel"),
    "error-in-200": stream(chunk("Hel"), data({"error": {"message": "x"}})),
    "refused": status(429, {"retry-after": "60"}),
    "late": silence,
}


@pytest.mark.parametrize("kind", ANSWERS)
@STREAMS
async def test_the_plain_path_gives_the_same_bytes(
    stack: Stack, plain: httpx.AsyncClient, path: str, kind: str
) -> None:
    stack.main.answers(ANSWERS[kind])
    body = completion(stream=True, stream_options={"include_usage": True})
    ours, theirs = await asyncio.gather(stack.post(path, body), plain.post(path, json=body))
    assert ours.status_code == theirs.status_code
    assert same_for_all(ours.text) == same_for_all(theirs.text)
    varying = {"x-request-id", "request-id", "date", "server"}
    assert {name: value for name, value in ours.headers.items() if name not in varying} == {
        name: value for name, value in theirs.headers.items() if name not in varying
    }


@STREAMS
async def test_on_the_plain_path_a_client_that_leaves_ends_its_call(
    stack: Stack, plain: httpx.AsyncClient, path: str
) -> None:
    stack.main.answers(say_then_wait("Hel"))
    async with plain.stream("POST", path, json=completion(stream=True)) as response:
        assert b"Hel" in await anext(response.aiter_raw())
    left = time.monotonic()
    assert await stack.main.calls[0].left() - left < 0.25


@STREAMS
async def test_on_the_plain_path_a_client_that_does_not_read_is_cut_too(
    stack: Stack, plain: httpx.AsyncClient, path: str
) -> None:
    stack.main.answers(flood)
    async with RawClient.connected(plain.base_url.port or 0) as client:
        client.send(path, completion(stream=True))
        await client.head()
        await stack.main.calls[0].left(3)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.chunks()


def same_for_all(body: str) -> str:
    """Without what is an answer's own: its id and its second. Pings come when they come."""
    return re.sub(r'("chatcmpl-[0-9a-f]+"|"created":\d+)', "_", body.replace(": ping\n\n", ""))
