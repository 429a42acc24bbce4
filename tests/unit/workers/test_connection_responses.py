"""The worker's HTTP client against a real server: statuses, headers and their bounds."""

import asyncio

import pytest
from unit.support.http_responses import CHUNKED, END, OK, answers, answers_and_closes, chunk, failure_of, sized
from unit.support.loops import on_every_loop
from unit.support.upstream import Connection, TextParser, start_call, upstream

from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.upstream.connection import HEADER_BYTES_MAX


@on_every_loop
async def test_connection_reports_an_error_status_with_its_retry_after_and_without_its_body() -> None:
    error = await failure_of(
        sized(b"secret words", b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n"), closes=False
    )

    assert (error.code, error.detail.retry_after_s) == ("provider_rate_limited", 7)
    assert "secret" not in error.detail.message


@on_every_loop
async def test_connection_is_kept_after_an_error_status() -> None:
    async with upstream(answers(sized(b"no", b"HTTP/1.1 429 Slow\r\n"), sized(b"hello"))) as server:
        listener, _ = await start_call(server.pool)
        await listener.failure()
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "hello"
        assert server.connections == 1


@on_every_loop
async def test_connection_reports_an_error_status_whose_body_ends_with_the_connection() -> None:
    assert (await failure_of(b"HTTP/1.1 401 Unauthorized\r\n\r\nno such key")).code == "provider_auth_failed"


@on_every_loop
async def test_connection_reads_an_error_body_across_its_pieces() -> None:
    error = await failure_of(
        b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk(b'{"error":{"code":"context_len')
        + chunk(b'gth_exceeded"}}')
        + END
    )

    assert error.code == "context_length_exceeded"


@on_every_loop
async def test_connection_bounds_an_error_body() -> None:
    piece = chunk(b"x" * 65_536)

    error = await failure_of(
        b"HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n" + piece * 64 + END
    )

    assert error.code == "provider_unavailable"


@on_every_loop
async def test_connection_follows_no_redirect() -> None:
    error = await failure_of(sized(b"", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"))

    assert error.code == "provider_unavailable"


@on_every_loop
@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"zstd"])
async def test_connection_refuses_a_compressed_answer(encoding: bytes) -> None:
    error = await failure_of(sized(b"\x1f\x8b", OK + b"Content-Encoding: %b\r\n" % encoding))

    assert error.code == "provider_unavailable"


@on_every_loop
@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
    ],
    ids=["100", "103", "three 102"],
)
async def test_connection_skips_an_interim_response(first: bytes) -> None:
    async with upstream(answers(first + CHUNKED + chunk(b"hello") + END)) as server:
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "hello"


@on_every_loop
async def test_connection_takes_an_interim_response_alone_for_no_answer() -> None:
    assert (await failure_of(b"HTTP/1.1 103 Early Hints\r\n\r\n")).code == "provider_stream_broken"


@on_every_loop
async def test_connection_reads_a_refusal_sent_before_the_request_is_read() -> None:
    async def script(connection: Connection) -> None:
        await connection.head()
        await connection.send(sized(b"", b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"))
        await connection.peer_closed()

    async with upstream(script) as server:
        listener, _ = await start_call(server.pool, request=HttpRequest("/x", {}, b"x" * 8 * 1024 * 1024))
        assert (await listener.failure()).code == "context_length_exceeded"


@on_every_loop
async def test_connection_refuses_headers_beyond_the_bound() -> None:
    line = b"x-filler: " + b"x" * 1000 + b"\r\n"

    assert (await failure_of(OK + line * (HEADER_BYTES_MAX // 1000 + 2))).code == "provider_stream_broken"


@on_every_loop
async def test_connection_reads_headers_within_the_bound() -> None:
    line = b"x-filler: " + b"x" * 1000 + b"\r\n"

    async with upstream(answers(sized(b"hello", OK + line * 60))) as server:
        listener, _ = await start_call(server.pool)
        assert await listener.whole() == "hello"


@on_every_loop
async def test_connection_refuses_an_endless_header_at_the_bound() -> None:
    refused = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK + b"x-filler: " + b"x" * (HEADER_BYTES_MAX * 2))
        await refused.wait()

    async with upstream(script) as server:
        listener, exchange = await start_call(server.pool)
        try:
            async with asyncio.timeout(0.2):
                assert (await listener.failure()).code == "provider_stream_broken"
        finally:
            exchange.abort()
            refused.set()


@pytest.mark.parametrize(
    ("response", "refused"),
    [
        (sized(b"{}", b"HTTP/1.1 500 Server Error\r\n"), True),
        (sized(b"{}", b"HTTP/1.1 429 Too Many Requests\r\n"), True),
        (sized(b"", b"HTTP/1.1 307 Temporary Redirect\r\n"), True),
        (sized(b"bad"), True),
        (CHUNKED + chunk(b"o"), False),
        (CHUNKED, False),
        (b"", False),
        (b"nonsense\r\n\r\n", False),
        (sized(b"xx", OK + b"Content-Encoding: gzip\r\n"), False),
    ],
    ids=["500", "429", "redirect", "error-object", "broken", "head-only", "nothing", "no-http", "encoded"],
)
@on_every_loop
async def test_connection_reports_a_refusal_only_for_an_error_answer(response: bytes, refused: bool) -> None:
    async with upstream(answers_and_closes(response)) as server:
        listener, _ = await start_call(server.pool, TextParser(bad=b"bad", last=b"last"))
        await listener.failure()
        assert listener.refused is refused
