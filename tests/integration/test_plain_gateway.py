"""The same app under a server that hands no connection over: the same bytes, and the same ends."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until
from harness.provider_answers import (
    DONE,
    chunk,
    data,
    delta,
    finish,
    silence,
    status,
    stream,
    text_stream,
    text_then_cut,
    text_then_wait,
    usage,
)
from harness.raw_http import IMPATIENT, STREAMS, RawClient, flood, same_for_all
from harness.route_spec import completion
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")
STACK = IMPATIENT


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
    "text": text_stream("Hel", "lo ", "Wörld 🌍"),
    "tools": stream(
        delta(tool_calls=[{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
        finish("tool_calls"),
        DONE,
    ),
    "reasoning": stream(delta(reasoning_content="Hm"), chunk("Yes"), finish(), usage(), DONE),
    "cut": text_then_cut("Hel"),
    "error-in-200": stream(chunk("Hel"), data({"error": {"message": "x"}})),
    "refused": status(429, {"retry-after": "60"}),
    "late": silence,
}


@pytest.mark.parametrize("kind", ANSWERS)
@STREAMS
async def test_plain_gateway_writes_the_same_bytes(
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
async def test_plain_gateway_ends_the_call_of_a_disconnected_client(
    stack: Stack, plain: httpx.AsyncClient, path: str
) -> None:
    stack.main.answers(text_then_wait("Hel"))
    async with plain.stream("POST", path, json=completion(stream=True)) as response:
        assert b"Hel" in await anext(response.aiter_raw())
    left = time.monotonic()
    assert await stack.main.calls[0].left() - left < 0.25


@STREAMS
async def test_plain_gateway_closes_a_client_that_does_not_read(
    stack: Stack, plain: httpx.AsyncClient, path: str
) -> None:
    stack.main.answers(flood)
    async with RawClient.connected(plain.base_url.port or 0) as client:
        client.send(path, completion(stream=True))
        await client.head()
        await stack.main.calls[0].left(3)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.chunks()
