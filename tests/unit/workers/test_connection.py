"""The worker's HTTP client against a real server, byte by byte, on both event loops: bodies."""

import asyncio
import socket

import pytest
from unit.support.http_responses import CHUNKED, END, OK, answers, answers_and_closes, chunk, failure_of, sized
from unit.support.loops import on_every_loop
from unit.support.upstream import Connection, TextParser, start_call, upstream

from penstock_contract.error_codes import ErrorCode


@on_every_loop
async def test_connection_passes_a_chunked_body_piece_by_piece() -> None:
    go_on = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(CHUNKED + chunk(b"one "))
        await go_on.wait()
        await connection.send(chunk(b"two") + END)
        await connection.peer_closed()

    async with upstream(script) as server:
        listener, _ = await start_call(server.pool)
        await listener.received("one ")
        go_on.set()
        assert await listener.whole() == "one two"


@on_every_loop
async def test_connection_ends_a_body_of_known_length_at_its_last_byte() -> None:
    async with upstream(answers(sized(b"hello"))) as server:
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "hello"


@on_every_loop
async def test_connection_ends_a_body_without_a_length_at_its_close() -> None:
    async with upstream(answers_and_closes(OK + b"\r\nhello")) as server:
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "hello"


@on_every_loop
async def test_connection_accepts_an_empty_body() -> None:
    async with upstream(answers(sized(b""))) as server:
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == ""


@on_every_loop
async def test_connection_reads_a_response_cut_into_single_bytes() -> None:
    response = CHUNKED + chunk(b"hello") + END

    async def script(connection: Connection) -> None:
        await connection.request()
        for byte in response:
            await connection.send(bytes([byte]))
        await connection.peer_closed()

    async with upstream(script) as server:
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "hello"


BROKEN: dict[str, tuple[bytes, ErrorCode]] = {
    "a chunked body without its end": (CHUNKED + chunk(b"hello"), "provider_stream_broken"),
    "a cut chunk": (CHUNKED + b"5\r\nhel", "provider_stream_broken"),
    "a body shorter than its length": (OK + b"Content-Length: 9\r\n\r\nhello", "provider_stream_broken"),
    "a bad chunk size": (CHUNKED + b"nonsense\r\n", "provider_stream_broken"),
    "cut headers": (OK + b"Content-Ty", "provider_stream_broken"),
    "something that is not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "provider_stream_broken"),
    "no answer at all": (b"", "provider_unavailable"),
    "an upgrade without a request for it": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "provider_unavailable",
    ),
}


@on_every_loop
@pytest.mark.parametrize(("response", "code"), BROKEN.values(), ids=BROKEN)
async def test_connection_reports_a_broken_response_as_an_error(response: bytes, code: ErrorCode) -> None:
    if code == "provider_stream_broken":
        # No parser accepts a body without its end.
        async with upstream(answers_and_closes(response)) as server:
            listener, _ = await start_call(server.pool, TextParser(last=b"never"))
            assert (await listener.failure()).code == code
    else:
        assert (await failure_of(response)).code == code


@on_every_loop
async def test_connection_reports_a_reset_within_the_body_as_a_broken_stream() -> None:
    received = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(CHUNKED + chunk(b"hello"))
        await received.wait()
        connection.reset()

    async with upstream(script) as server:
        listener, _ = await start_call(server.pool)
        await listener.received("hello")
        received.set()
        assert (await listener.failure()).code == "provider_stream_broken"


@on_every_loop
async def test_connection_fails_the_call_and_closes_after_a_parser_error() -> None:
    async with upstream(answers(CHUNKED + chunk(b"bad"))) as server:
        listener, exchange = await start_call(server.pool, TextParser(bad=b"bad"))
        assert (await listener.failure()).code == "provider_rate_limited"
        assert not exchange.usable


@on_every_loop
async def test_connection_fails_the_call_if_the_body_ends_too_early() -> None:
    async with upstream(answers(sized(b"hello"))) as server:
        listener, _ = await start_call(server.pool, TextParser(last=b"bye"))
        assert (await listener.failure()).code == "provider_stream_broken"


@on_every_loop
async def test_connection_of_an_aborted_call_is_closed_without_further_events() -> None:
    aborted = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(CHUNKED + chunk(b"one"))
        await connection.peer_closed()
        aborted.set()

    async with upstream(script) as server:
        listener, exchange = await start_call(server.pool)
        await listener.received("one")
        exchange.abort()
        await aborted.wait()
        assert not listener.over.done()
        assert not exchange.usable


@on_every_loop
async def test_connection_sends_no_request_of_a_call_that_is_aborted_in_the_same_iteration() -> None:
    sent: list[bytes] = []

    async def script(connection: Connection) -> None:
        sent.append(await connection.peer_closed())

    async with upstream(script) as server:
        _, exchange = await start_call(server.pool)
        exchange.abort()

    assert sent == [b""]


@on_every_loop
async def test_connection_may_be_aborted_twice() -> None:
    async with upstream(answers()) as server:
        _, exchange = await start_call(server.pool)
        exchange.abort()
        exchange.abort()


@on_every_loop
async def test_connection_sends_the_last_bytes_of_a_request_without_delay() -> None:
    async with upstream(answers(sized(b"hello"))) as server:
        listener, exchange = await start_call(server.pool)
        await listener.whole()
        assert exchange._transport is not None
        found = exchange._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert found == 1
