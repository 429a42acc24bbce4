"""Connections to a provider that are reused, replaced and closed, on both event loops."""

import asyncio
import socket

import pytest
from unit.support.http_responses import CHUNKED, END, OK, answers, chunk, connected, sized
from unit.support.loops import on_every_loop
from unit.support.upstream import LOOPBACK, Connection, RecordingListener, TextParser, no_tls, start_call, upstream
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import PenstockError
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.providers.provider import ConnectionStale
from penstock_worker.upstream.pool import IDLE_CONNECTION_AGE_S, IDLE_CONNECTIONS_MAX, ConnectionPool


@on_every_loop
async def test_pool_reuses_a_connection_after_a_whole_response() -> None:
    async with upstream(answers(CHUNKED + chunk(b"one") + END, sized(b"two"), sized(b"three"))) as server:
        for word in ("one", "two", "three"):
            listener, _ = await start_call(server.pool)
            assert await listener.whole() == word
        assert server.connections == 1


@on_every_loop
@pytest.mark.parametrize(
    "response",
    [sized(b"one", OK + b"Connection: close\r\n"), sized(b"one", b"HTTP/1.0 200 OK\r\n")],
    ids=["connection: close", "HTTP/1.0"],
)
async def test_pool_does_not_reuse_a_connection_that_the_server_will_close(response: bytes) -> None:
    async with upstream(answers(response), answers(sized(b"two"))) as server:
        for word in ("one", "two"):
            listener, _ = await start_call(server.pool)
            assert await listener.whole() == word
        assert server.connections == 2


@on_every_loop
async def test_pool_opens_a_connection_for_each_concurrent_call() -> None:
    async with upstream(answers(sized(b"one")), answers(sized(b"two"))) as server:
        one, _ = await start_call(server.pool)
        two, _ = await start_call(server.pool)
        assert {await one.whole(), await two.whole()} == {"one", "two"}
        assert server.connections == 2


@on_every_loop
async def test_pool_drops_an_idle_connection_closed_by_the_server() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(sized(b"one"))
        connection.close()

    async with upstream(script, answers(sized(b"two"))) as server:
        listener, exchange = await start_call(server.pool)
        await listener.whole()
        while exchange.usable:
            await asyncio.wait(server.finished)
            await asyncio.sleep(0)
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "two"


@on_every_loop
async def test_connection_closed_under_a_new_request_is_stale() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(sized(b"one"))
        await connection.request()
        connection.close()

    async with upstream(script) as server:
        listener, _ = await start_call(server.pool)
        await listener.whole()
        listener, _ = await start_call(server.pool)
        assert isinstance(await listener.failure(), ConnectionStale)


@on_every_loop
async def test_pool_closes_its_idle_connections_with_a_stale_one() -> None:
    both = asyncio.Event()

    async def reset(connection: Connection) -> None:
        await connection.request()
        await both.wait()
        await connection.send(sized(b"one"))
        await connection.request()
        connection.close()

    async def lives(connection: Connection) -> None:
        await connection.request()
        both.set()
        await connection.send(sized(b"two"))
        await connection.peer_closed()

    async with upstream(reset, lives, answers(sized(b"three"))) as server:
        ears = [(await start_call(server.pool))[0], (await start_call(server.pool))[0]]
        assert [await ears[1].whole(), await ears[0].whole()] == ["two", "one"]
        listener, _ = await start_call(server.pool)
        assert isinstance(await listener.failure(), ConnectionStale)
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "three"


@on_every_loop
async def test_connection_closed_within_its_answer_is_not_stale() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(sized(b"one"))
        await connection.request()
        await connection.send(CHUNKED + chunk(b"two"))
        connection.close()

    async with upstream(script) as server:
        listener, _ = await start_call(server.pool)
        await listener.whole()
        listener, _ = await start_call(server.pool)
        error = await listener.failure()
        assert not isinstance(error, ConnectionStale)
        assert error.code == "provider_stream_broken"


@on_every_loop
async def test_pool_replaces_a_connection_idle_for_too_long() -> None:
    async with upstream(answers(sized(b"one")), answers(sized(b"two"))) as server:
        listener, exchange = await start_call(server.pool)
        await listener.whole()
        exchange.idle_since -= IDLE_CONNECTION_AGE_S
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "two"
        assert not exchange.usable


@on_every_loop
async def test_pool_reports_a_server_that_is_not_running_as_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        pool = ConnectionPool(f"http://127.0.0.1:{closed.getsockname()[1]}", no_tls, LOOPBACK)
        with pytest.raises(PenstockError) as error:
            await pool.acquire(5)

    assert error.value.code == "provider_unavailable"


@on_every_loop
async def test_pool_reports_a_connect_timeout_as_unavailable() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        pool = ConnectionPool(f"http://127.0.0.1:{listening.getsockname()[1]}", no_tls, LOOPBACK)
        with pytest.raises(PenstockError) as error:
            await pool.acquire(0)

    assert error.value.code == "provider_unavailable"


def test_pool_builds_the_bytes_of_a_request() -> None:
    pool = ConnectionPool("http://llama:8000/v1/", no_tls, LOOPBACK)
    request = HttpRequest("/chat/completions", {"authorization": "Bearer k"}, b"{}")

    assert pool.raw(request, {"traceparent": "00-1"}) == (
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        b"host: llama:8000\r\n"
        b"content-type: application/json\r\n"
        b"content-length: 2\r\n"
        b"accept: text/event-stream, application/json\r\n"
        b"accept-encoding: identity\r\n"
        b"user-agent: penstock\r\n"
        b"authorization: Bearer k\r\n"
        b"traceparent: 00-1\r\n"
        b"\r\n"
        b"{}"
    )


@pytest.mark.parametrize(
    ("base_url", "line", "host"),
    [
        ("http://llama", b"POST /embeddings HTTP/1.1", b"host: llama"),
        ("http://llama/", b"POST /embeddings HTTP/1.1", b"host: llama"),
        ("https://api.example.com/openai/v1", b"POST /openai/v1/embeddings HTTP/1.1", b"host: api.example.com"),
        ("http://[::1]:8000/v1", b"POST /v1/embeddings HTTP/1.1", b"host: [::1]:8000"),
    ],
)
def test_pool_joins_the_path_to_the_base_url(base_url: str, line: bytes, host: bytes) -> None:
    lines = ConnectionPool(base_url, no_tls, LOOPBACK).raw(HttpRequest("/embeddings", {}, b""), {}).split(b"\r\n")

    assert lines[:2] == [line, host]


@pytest.mark.parametrize("key", ["a\r\nx-evil: 1", "a\n", "a\r"])
def test_pool_refuses_a_key_with_a_line_end_without_showing_it(key: str) -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)

    with pytest.raises(PenstockError) as error:
        pool.raw(HttpRequest("/x", {"authorization": f"Bearer {key}"}, b""), {})

    assert error.value.code == "provider_auth_failed"
    assert "evil" not in error.value.detail.message


@virtual_time
async def test_pool_bounds_its_idle_connections_and_keeps_the_newest() -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    wires = []
    for _ in range(IDLE_CONNECTIONS_MAX + 2):
        exchange, wire = connected(pool)
        exchange.start(b"", TextParser(), RecordingListener(), reused=False)
        exchange.data_received(sized(b"hello"))
        wires.append(wire)

    assert [wire.closed for wire in wires] == [True] * 2 + [False] * IDLE_CONNECTIONS_MAX


@virtual_time
async def test_pool_closes_idle_connections_and_no_open_call() -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    idle, idle_wire = connected(pool)
    idle.start(b"", TextParser(), RecordingListener(), reused=False)
    idle.data_received(sized(b"hello"))
    busy, busy_wire = connected(pool)
    busy.start(b"", TextParser(), RecordingListener(), reused=False)

    pool.close()

    assert (idle_wire.closed, busy_wire.closed) == (True, False)


@virtual_time
async def test_pool_keeps_no_connection_after_its_close() -> None:
    """A route's providers change while it serves; no later call uses the old pool."""
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    exchange, wire = connected(pool)
    listener = RecordingListener()
    exchange.start(b"", TextParser(), listener, reused=False)
    pool.close()
    exchange.data_received(sized(b"hello"))

    assert listener.words == ["hello"]
    assert wire.closed
