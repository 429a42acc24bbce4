"""Clients behind the kernel's buffers: one that reads nothing of a paced stream, and one that reads late."""

import asyncio
import contextlib
import json
import socket
import time

import pytest
from harness.provider_answers import DONE, chunk, finish
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITE_TIMEOUT_S = 1.0
STACK = {"gateway_env": {"PENSTOCK_WRITE_TIMEOUT_S": str(WRITE_TIMEOUT_S)}}
LARGE = 7_500_000


def request(stack: Stack, *, receive_buffer: int | None = None, version: str = "1.1") -> socket.socket:
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(("127.0.0.1", stack.gateway_port))
    body = json.dumps(completion(stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)
    client.settimeout(20)
    return client


async def test_gateway_closes_a_client_that_reads_nothing_after_the_write_timeout(
    stack: Stack,
) -> None:
    """Paced: at 100 kB a second the kernels' buffers alone would take most of a minute of it."""

    async def pace(call: Call) -> None:
        await call.head()
        while not call.gone.is_set():
            await call.write(chunk("x" * 1000))
            await asyncio.sleep(0.01)

    stack.main.answers(pace)
    with contextlib.closing(request(stack, receive_buffer=4096)):
        call = await stack.main.called()
        began = time.monotonic()
        assert await call.left(timeout_s=15) - began < WRITE_TIMEOUT_S + 3
    assert (await stack.gateway.logged("gateway.request_ended"))["code"] == "slow_client"


async def test_gateway_keeps_a_client_that_reads_a_paced_stream(stack: Stack) -> None:
    async def pace(call: Call) -> None:
        await call.head()
        for _ in range(150):
            await call.write(chunk("x" * 1000))
            await asyncio.sleep(0.02)
        await call.write(finish() + DONE)
        await call.end()

    stack.main.answers(pace)
    with contextlib.closing(request(stack, receive_buffer=4096)) as client:
        assert b"[DONE]" in await asyncio.to_thread(read_all, client)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("larges", [1, 2])
async def test_gateway_writes_events_larger_than_the_client_buffer(stack: Stack, version: str, larges: int) -> None:
    async def answer(call: Call) -> None:
        await call.head()
        # Behind the large event in the same write: there was no time to read it.
        await call.write(chunk("x" * LARGE) * larges + chunk("y") * 50 + finish() + DONE)
        await call.end()

    stack.main.answers(answer)
    with contextlib.closing(request(stack, version=version)) as client:
        answer_ = await asyncio.to_thread(read_all, client)
        assert answer_.count(b"x" * 1000) == larges * LARGE // 1000
        assert answer_.count(b'"y"') == 50
        assert b"data: [DONE]" in answer_
    assert (await stack.gateway.logged("gateway.request_ended"))["code"] is None


def read_all(client: socket.socket) -> bytes:
    found = bytearray()
    while not found.rstrip().endswith((b"[DONE]", b"\r\n0")):
        data = client.recv(1 << 20)
        if not data:
            break
        found += data
    return bytes(found)
