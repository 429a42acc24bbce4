"""Clients that read slowly, or not at all: what they hold while they do, and for how long."""

import asyncio
import contextlib
import json
import time

import pytest
from harness.provider_answers import DONE, chunk, finish, text_stream
from harness.provider_call import Call
from harness.raw import small_buffer
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT_S = 1.0
CUT_WITHIN_S = 2 * TIMEOUT_S + 1
STACK = {
    # Room for a complete answer: the connection is closed only because the client does not read.
    "gateway_env": {"PENSTOCK_WRITE_TIMEOUT_S": str(TIMEOUT_S), "PENSTOCK_CLIENT_BUFFER_BYTES_MAX": "67108864"},
    "limits": {"concurrentStreams": 1},
}
PIECE = "x" * 65_536
MANY = 256
"""16 MiB: far more than two kernels' buffers take."""

ASKED = {
    "stream": ("/api/chat", {"stream": True}, "1.1"),
    "stream over HTTP/1.0": ("/api/chat", {"stream": True}, "1.0"),
    "whole answer": ("/v1/chat/completions", {}, "1.1"),
}


def requested(stack: Stack, kind: str) -> contextlib.AbstractAsyncContextManager[asyncio.StreamReader]:
    """A client that has sent a request; only the test reads its answer."""
    path, fields, version = ASKED[kind]
    body = json.dumps(completion(**fields)).encode()
    head = f"POST {path} HTTP/{version}\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return small_buffer(stack.gateway_port, f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


@pytest.mark.parametrize("kind", ASKED)
async def test_gateway_accounts_an_unread_answer_at_its_end_and_closes_the_connection(stack: Stack, kind: str) -> None:
    stack.main.answers(text_stream(*[PIECE] * MANY), text_stream("next"))
    async with requested(stack, kind) as reader:
        ended = await stack.gateway.logged("gateway.request_ended")
        assert ended["code"] is None
        at = time.monotonic()
        next_ = await stack.post("/api/chat", completion())
        assert texts_of(next_.text) == "next", "the only place is free again"
        await asyncio.sleep(CUT_WITHIN_S - (time.monotonic() - at))
        read = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                read += len(data)
        assert read < MANY * len(PIECE)


@pytest.mark.parametrize("kind", ["stream", "stream over HTTP/1.0"])
async def test_gateway_keeps_a_client_that_reads_slowly(stack: Stack, kind: str) -> None:
    """It has far more waiting than the kernels take, for several write timeouts, before and after the answer's end."""
    gate = asyncio.Event()
    first, last = MANY, 32

    async def answer(call: Call) -> None:
        await call.head()
        for _ in range(first):
            await call.write(chunk(PIECE))
        await gate.wait()
        for _ in range(last):
            await call.write(chunk(PIECE))
        await call.write(finish() + DONE)
        await call.end()

    stack.main.answers(answer)
    async with requested(stack, kind) as reader:
        read = 0
        began = time.monotonic()
        tail = b""
        while b"[DONE]" not in tail:
            data = await reader.readexactly(1) + await reader.read(200_000)
            read += data.count(b"x")
            tail = (tail + data)[-100:]
            if time.monotonic() - began > 2 * TIMEOUT_S:
                gate.set()
            # A few MB a second: the kernel requests more when a third of its buffer, of up to 4 MB, is free.
            await asyncio.sleep(0.015)
        assert read >= (first + last) * len(PIECE)
    assert (await stack.gateway.logged("gateway.request_ended"))["code"] is None


@pytest.mark.parametrize("kind", ASKED)
async def test_gateway_stops_without_waiting_for_a_client_that_never_reads(kind: str) -> None:
    async with Stack(**STACK) as stack:  # type: ignore[arg-type]
        stack.main.answers(text_stream(*[PIECE] * MANY))
        async with requested(stack, kind):
            await stack.gateway.logged("gateway.request_ended")
            began = time.monotonic()
            stack.gateway.terminate()
            assert await stack.gateway.exited(CUT_WITHIN_S + 5) == 0
            assert time.monotonic() - began < CUT_WITHIN_S + 2
