"""Connections of the gateway: keyless, pipelining and half-closed clients, and its descriptors."""

import asyncio
import contextlib
import resource
import socket
import sys
import time

import httpx
import pytest
from harness.expect import error_of
from harness.keyed import FIRST_KEY, KeyedStack
from harness.processes import Process, free_port, until
from harness.provider_answers import chunk, finish, silence, text_stream
from harness.provider_call import Call
from harness.raw import RawConnection, raw
from harness.raw_completion import HOST, KEY, STREAM, post

pytestmark = pytest.mark.asyncio(loop_scope="module")


ORIGIN = "app://obsidian.md"
STACK = {
    "gateway_env": {
        "PENSTOCK_CORS_ORIGINS": f"https://app.example.com, {ORIGIN}",
        "PENSTOCK_CONNECTIONS_MAX": "40",
        "PENSTOCK_KEYLESS_KEEP_ALIVE_S": "1",
        "PENSTOCK_HEADER_TIMEOUT_S": "2",
        "PENSTOCK_BODY_TIMEOUT_S": "2",
        "PENSTOCK_BODY_BYTES_MAX": "65536",
    }
}


async def test_gateway_closes_keyless_connections_for_a_new_client(keyed: KeyedStack) -> None:
    async with contextlib.AsyncExitStack() as many, raw(keyed.gateway_port) as own:
        await own.send(post())
        assert (await own.answer()).status_code == 200
        idle: list[RawConnection] = []
        for _ in range(120):
            client = await many.enter_async_context(raw(keyed.gateway_port))
            await client.send(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (await client.answer()).status_code == 200, "each one is served"
            idle.append(client)
        assert await idle[0].closed(timeout_s=0.5), "the oldest has lost its connection"
        assert (await keyed.caller().get("/v1/models", headers={"x-api-key": FIRST_KEY})).status_code == 200
        await own.send(post())
        assert (await own.answer()).status_code == 200, "a connection that has shown a key stays"
    full = [line for line in keyed.gateway.events() if line["event"] == "gateway.connections_full"]
    assert len(full) == 1
    assert full[0]["max"] == 40


async def test_gateway_sends_cors_headers_with_the_503_at_the_connection_limit(keyed: KeyedStack) -> None:
    async with contextlib.AsyncExitStack() as many:
        last = None
        for _ in range(45):
            last = await many.enter_async_context(raw(keyed.gateway_port))
            await last.send(post(headers=HOST + f"origin: {ORIGIN}\r\n".encode()))
            answer = await last.answer()
            if answer.status_code == 503:
                break
        error_of(answer, 503, "overloaded", retry_after=1)
        assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_gateway_keeps_a_keyless_connection_for_a_short_time(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as keyless, raw(keyed.gateway_port) as known:
        await keyless.send(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
        await known.send(b"GET /v1/models HTTP/1.1\r\n" + HOST + KEY + b"\r\n")
        assert (await keyless.answer()).status_code == (await known.answer()).status_code == 200
        assert await keyless.closed(timeout_s=3)
        await known.send(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await known.answer()).status_code == 200


async def drip(call: Call) -> None:
    await call.head()
    while not call.gone.is_set():
        await call.write(chunk("drip "))
        await asyncio.sleep(0.01)


def reset(client: socket.socket) -> None:
    """Close with RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()


@pytest.mark.parametrize("how", ["RST", "FIN"])
@pytest.mark.parametrize("moment", ["before the first event", "midway", "midway, silent"])
@pytest.mark.parametrize("behind", [post(), post(b"x" * 60_000), post() * 300], ids=["one", "large", "300"])
async def test_gateway_detects_a_disconnect_behind_a_pipelined_request(
    keyed: KeyedStack, how: str, moment: str, behind: bytes
) -> None:
    async def one(call: Call) -> None:
        await call.head()
        await call.write(chunk("a"))

    keyed.main.answers({"before the first event": silence, "midway": drip, "midway, silent": one}[moment])
    client = socket.create_connection(("127.0.0.1", keyed.gateway_port))
    client.settimeout(5)
    client.sendall(post(STREAM))
    call = await keyed.main.called()
    client.sendall(behind)
    if moment != "before the first event":
        while b"data:" not in await asyncio.to_thread(client.recv, 65_536):
            pass
    left = time.monotonic()
    if how == "RST":
        reset(client)
    else:
        client.close()
    assert await call.left() - left < 1
    assert len(keyed.main.calls) == 1, "what waited behind it is not served"
    assert "Traceback" not in keyed.gateway.log()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("path", [b"/health", b"/v1/models"])
async def test_gateway_answers_a_half_closed_client(keyed: KeyedStack, path: bytes, version: bytes) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(b"GET " + path + b" HTTP/" + version + b"\r\n" + HOST + KEY + b"\r\n")
        client.end()
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")


async def test_gateway_answers_a_half_closed_client_slowly_after_an_interim_response(keyed: KeyedStack) -> None:
    gate = asyncio.Event()

    async def slow(call: Call) -> None:
        await gate.wait()
        await text_stream("late")(call)

    keyed.main.answers(slow)
    async with raw(keyed.gateway_port) as client:
        await client.send(post())
        client.end()
        assert (await client._reader.readuntil(b"\r\n\r\n")) == b"HTTP/1.1 100 Continue\r\n\r\n"
        gate.set()
        rest = await client.rest()
        assert rest.startswith(b"HTTP/1.1 200 ")
        assert b"late" in rest


async def test_gateway_streams_to_a_half_closed_client_and_detects_its_disconnect(keyed: KeyedStack) -> None:
    gate = asyncio.Event()

    async def slow(call: Call) -> None:
        await call.head()
        await call.write(chunk("a"))
        await gate.wait()
        await call.write(chunk("b") + finish() + b"data: [DONE]\n\n")
        await call.end()

    keyed.main.answers(slow)
    async with raw(keyed.gateway_port) as client:
        await client.send(post(STREAM))
        client.end()
        seen = await client._reader.readuntil(b": ping\n\n")
        gate.set()
        rest = await client.rest()
        assert seen.startswith(b"HTTP/1.1 200 ")
        assert rest.rstrip().endswith(b"data: [DONE]\n\n\r\n0")
    keyed.main.answers(silence)
    async with raw(keyed.gateway_port) as client:
        await client.send(post(STREAM))
        client.end()
        call = await keyed.main.called(2)
        assert (await client._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    await call.left(timeout_s=8)


async def test_gateway_raises_its_descriptor_limit_to_the_hard_limit(keyed: KeyedStack) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert resource.prlimit(keyed.gateway.pid, resource.RLIMIT_NOFILE) == (hard, hard)


async def test_gateway_with_few_descriptors_serves_every_client_and_logs_both_numbers(keyed: KeyedStack) -> None:
    port = free_port()
    environ = {
        "PENSTOCK_NATS_URL": keyed.nats.url,
        "PENSTOCK_PORT": str(port),
        "PENSTOCK_AUTHENTICATION": "required",
    }
    command = ["/bin/sh", "-c", f"ulimit -n 100; exec {sys.executable} -m penstock_gateway"]
    gateway = Process("few", command, keyed.directory / "few.log", environ)
    try:
        async with keyed.caller(f"http://127.0.0.1:{port}") as client:

            async def has_keys() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get("/v1/models", headers={"x-api-key": FIRST_KEY})).status_code == 200
                return False

            await until(has_keys, "the gateway serves")
        async with contextlib.AsyncExitStack() as many:
            for _ in range(200):
                one = await many.enter_async_context(raw(port))
                await one.send(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
                assert (await one.answer()).status_code == 200
        async with contextlib.AsyncExitStack() as many:
            statuses = []
            for _ in range(60):
                one = await many.enter_async_context(raw(port))
                await one.send(b"GET /v1/models HTTP/1.1\r\n" + HOST + KEY + b"\r\n")
                statuses.append((await one.answer()).status_code)
            assert set(statuses) == {200, 503}, "connections of keys are not closed for another"
    finally:
        await gateway.end()
    lines = gateway.events()
    [warned] = [line for line in lines if line["event"] == "gateway.few_descriptors"]
    assert (warned["descriptors"], warned["connections_max"]) == (100, 10_000)
    assert len([line for line in lines if line["event"] == "gateway.connections_full"]) == 1
