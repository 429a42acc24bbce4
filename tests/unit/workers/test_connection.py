"""The worker's HTTP client against a real server, byte by byte, on both event loops."""

import asyncio
import socket

import pytest
from unit.support.loops import on_every_loop
from unit.support.upstream import LOOPBACK, Connection, RecordingListener, Script, TextParser, ask, no_tls, upstream
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorCode, PenstockError
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.providers.openai.parser import ChatParser
from penstock_worker.providers.provider import ConnectionStale
from penstock_worker.upstream.connection import HEADER_BYTES_MAX, RESPONSE_END_S, UpstreamConnection
from penstock_worker.upstream.pool import IDLE_CONNECTION_AGE_S, IDLE_CONNECTIONS_MAX, ConnectionPool

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sized(data: bytes, head: bytes = OK) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(data), data)


def answers(*responses: bytes) -> Script:
    """One response per request, then wait for the client to hang up."""

    async def script(connection: Connection) -> None:
        for response in responses:
            await connection.request()
            await connection.send(response)
        await connection.hung_up()

    return script


def answers_and_closes(response: bytes) -> Script:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(response)
        connection.close()

    return script


async def failure_of(response: bytes, *, closes: bool = True) -> PenstockError:
    async with upstream(answers_and_closes(response) if closes else answers(response)) as server:
        listener, _ = await ask(server.pool)
        return await listener.failure()


# Bodies


@on_every_loop
async def test_connection_passes_a_chunked_body_piece_by_piece() -> None:
    go_on = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(CHUNKED + chunk(b"one "))
        await go_on.wait()
        await connection.send(chunk(b"two") + END)
        await connection.hung_up()

    async with upstream(script) as server:
        listener, _ = await ask(server.pool)
        await listener.received("one ")
        go_on.set()
        assert await listener.whole() == "one two"


@on_every_loop
async def test_connection_ends_a_body_of_known_length_at_its_last_byte() -> None:
    async with upstream(answers(sized(b"hello"))) as server:
        listener, _ = await ask(server.pool)
        assert await listener.whole() == "hello"


@on_every_loop
async def test_connection_ends_a_body_without_a_length_at_its_close() -> None:
    async with upstream(answers_and_closes(OK + b"\r\nhello")) as server:
        listener, _ = await ask(server.pool)
        assert await listener.whole() == "hello"


@on_every_loop
async def test_connection_accepts_an_empty_body() -> None:
    async with upstream(answers(sized(b""))) as server:
        listener, _ = await ask(server.pool)
        assert await listener.whole() == ""


@on_every_loop
async def test_connection_reads_a_response_cut_into_single_bytes() -> None:
    response = CHUNKED + chunk(b"hello") + END

    async def script(connection: Connection) -> None:
        await connection.request()
        for byte in response:
            await connection.send(bytes([byte]))
        await connection.hung_up()

    async with upstream(script) as server:
        listener, _ = await ask(server.pool)
        assert await listener.whole() == "hello"


BROKEN: dict[str, tuple[bytes, ErrorCode]] = {
    "a chunked body without its end": (CHUNKED + chunk(b"hello"), "provider_stream_broken"),
    "a cut chunk": (CHUNKED + b"5\r\nhel", "provider_stream_broken"),
    "a body shorter than its length": (OK + b"Content-Length: 9\r\n\r\nhello", "provider_stream_broken"),
    "a bad chunk size": (CHUNKED + b"nonsense\r\n", "provider_stream_broken"),
    "cut headers": (OK + b"Content-Ty", "provider_stream_broken"),
    "something that is not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "provider_stream_broken"),
    "no answer at all": (b"", "provider_unavailable"),
    "an upgrade that nobody asked for": (
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
            listener, _ = await ask(server.pool, TextParser(last=b"never"))
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
        listener, _ = await ask(server.pool)
        await listener.received("hello")
        received.set()
        assert (await listener.failure()).code == "provider_stream_broken"


@on_every_loop
async def test_connection_fails_the_call_and_closes_after_a_parser_error() -> None:
    async with upstream(answers(CHUNKED + chunk(b"bad"))) as server:
        listener, exchange = await ask(server.pool, TextParser(bad=b"bad"))
        assert (await listener.failure()).code == "provider_rate_limited"
        assert not exchange.usable


@on_every_loop
async def test_connection_fails_the_call_if_the_body_ends_too_early() -> None:
    async with upstream(answers(sized(b"hello"))) as server:
        listener, _ = await ask(server.pool, TextParser(last=b"bye"))
        assert (await listener.failure()).code == "provider_stream_broken"


# Statuses


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
        listener, _ = await ask(server.pool)
        await listener.failure()
        listener, _ = await ask(server.pool)
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
        listener, _ = await ask(server.pool)
        assert await listener.whole() == "hello"


@on_every_loop
async def test_connection_takes_an_interim_response_alone_for_no_answer() -> None:
    assert (await failure_of(b"HTTP/1.1 103 Early Hints\r\n\r\n")).code == "provider_stream_broken"


@on_every_loop
async def test_connection_reads_a_refusal_sent_before_the_request_is_read() -> None:
    async def script(connection: Connection) -> None:
        await connection.head()
        await connection.send(sized(b"", b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"))
        await connection.hung_up()

    async with upstream(script) as server:
        listener, _ = await ask(server.pool, request=HttpRequest("/x", {}, b"x" * 8 * 1024 * 1024))
        assert (await listener.failure()).code == "context_length_exceeded"


# Bounds


@on_every_loop
async def test_connection_refuses_headers_beyond_the_bound() -> None:
    line = b"x-filler: " + b"x" * 1000 + b"\r\n"

    assert (await failure_of(OK + line * (HEADER_BYTES_MAX // 1000 + 2))).code == "provider_stream_broken"


@on_every_loop
async def test_connection_reads_headers_within_the_bound() -> None:
    line = b"x-filler: " + b"x" * 1000 + b"\r\n"

    async with upstream(answers(sized(b"hello", OK + line * 60))) as server:
        listener, _ = await ask(server.pool)
        assert await listener.whole() == "hello"


@on_every_loop
async def test_connection_refuses_an_endless_header_at_the_bound() -> None:
    refused = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK + b"x-filler: " + b"x" * (HEADER_BYTES_MAX * 2))
        await refused.wait()

    async with upstream(script) as server:
        listener, exchange = await ask(server.pool)
        try:
            async with asyncio.timeout(0.2):
                assert (await listener.failure()).code == "provider_stream_broken"
        finally:
            exchange.abort()
            refused.set()


# The pool


@on_every_loop
async def test_pool_reuses_a_connection_after_a_whole_response() -> None:
    async with upstream(answers(CHUNKED + chunk(b"one") + END, sized(b"two"), sized(b"three"))) as server:
        for word in ("one", "two", "three"):
            listener, _ = await ask(server.pool)
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
            listener, _ = await ask(server.pool)
            assert await listener.whole() == word
        assert server.connections == 2


@on_every_loop
async def test_pool_opens_a_connection_for_each_concurrent_call() -> None:
    async with upstream(answers(sized(b"one")), answers(sized(b"two"))) as server:
        one, _ = await ask(server.pool)
        two, _ = await ask(server.pool)
        assert {await one.whole(), await two.whole()} == {"one", "two"}
        assert server.connections == 2


@on_every_loop
async def test_pool_forgets_an_idle_connection_closed_by_the_server() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(sized(b"one"))
        connection.close()

    async with upstream(script, answers(sized(b"two"))) as server:
        listener, exchange = await ask(server.pool)
        await listener.whole()
        while exchange.usable:
            await asyncio.wait(server.finished)
            await asyncio.sleep(0)
        listener, _ = await ask(server.pool)
        assert await listener.whole() == "two"


@on_every_loop
async def test_connection_closed_under_a_new_request_is_stale() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(sized(b"one"))
        await connection.request()
        connection.close()

    async with upstream(script) as server:
        listener, _ = await ask(server.pool)
        await listener.whole()
        listener, _ = await ask(server.pool)
        assert isinstance(await listener.failure(), ConnectionStale)


@on_every_loop
async def test_pool_closes_its_idle_connections_with_a_stale_one() -> None:
    both = asyncio.Event()

    async def dies(connection: Connection) -> None:
        await connection.request()
        await both.wait()
        await connection.send(sized(b"one"))
        await connection.request()
        connection.close()

    async def lives(connection: Connection) -> None:
        await connection.request()
        both.set()
        await connection.send(sized(b"two"))
        await connection.hung_up()

    async with upstream(dies, lives, answers(sized(b"three"))) as server:
        ears = [(await ask(server.pool))[0], (await ask(server.pool))[0]]
        assert [await ears[1].whole(), await ears[0].whole()] == ["two", "one"]
        listener, _ = await ask(server.pool)
        assert isinstance(await listener.failure(), ConnectionStale)
        listener, _ = await ask(server.pool)
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
        listener, _ = await ask(server.pool)
        await listener.whole()
        listener, _ = await ask(server.pool)
        error = await listener.failure()
        assert not isinstance(error, ConnectionStale)
        assert error.code == "provider_stream_broken"


@on_every_loop
async def test_pool_replaces_a_connection_idle_for_too_long() -> None:
    async with upstream(answers(sized(b"one")), answers(sized(b"two"))) as server:
        listener, exchange = await ask(server.pool)
        await listener.whole()
        exchange.idle_since -= IDLE_CONNECTION_AGE_S
        listener, _ = await ask(server.pool)
        assert await listener.whole() == "two"
        assert not exchange.usable


@on_every_loop
async def test_connection_of_an_aborted_call_is_closed_without_further_events() -> None:
    aborted = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(CHUNKED + chunk(b"one"))
        await connection.hung_up()
        aborted.set()

    async with upstream(script) as server:
        listener, exchange = await ask(server.pool)
        await listener.received("one")
        exchange.abort()
        await aborted.wait()
        assert not listener.over.done()
        assert not exchange.usable


@on_every_loop
async def test_connection_may_be_aborted_twice() -> None:
    async with upstream(answers()) as server:
        _, exchange = await ask(server.pool)
        exchange.abort()
        exchange.abort()


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


@on_every_loop
async def test_connection_sends_the_last_bytes_of_a_request_without_delay() -> None:
    async with upstream(answers(sized(b"hello"))) as server:
        listener, exchange = await ask(server.pool)
        await listener.whole()
        assert exchange._transport is not None
        found = exchange._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert found == 1


# The request


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


# What needs a clock of its own, on a connection of its own


class Wire(asyncio.Transport):
    """The transport of nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def connected(pool: ConnectionPool) -> tuple[UpstreamConnection, Wire]:
    exchange, wire = UpstreamConnection(pool), Wire()
    exchange.connection_made(wire)
    return exchange, wire


@virtual_time
async def test_connection_is_closed_if_a_complete_answer_does_not_end() -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    exchange, wire = connected(pool)
    exchange.start(b"", TextParser(last=b"[DONE]"), RecordingListener(), reused=False)
    exchange.data_received(CHUNKED + chunk(b"hello") + chunk(b"[DONE]"))

    await asyncio.sleep(RESPONSE_END_S - 0.01)
    assert not wire.closed
    await asyncio.sleep(0.02)
    assert wire.closed


@virtual_time
async def test_connection_is_kept_if_a_complete_answer_ends_in_time() -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    exchange, wire = connected(pool)
    exchange.start(b"", TextParser(last=b"[DONE]"), RecordingListener(), reused=False)
    exchange.data_received(CHUNKED + chunk(b"[DONE]"))
    await asyncio.sleep(RESPONSE_END_S - 0.01)
    exchange.data_received(END)
    await asyncio.sleep(RESPONSE_END_S)

    assert not wire.closed


@virtual_time
async def test_connection_timer_of_one_answer_does_not_close_the_next() -> None:
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    exchange, wire = connected(pool)
    exchange.start(b"", TextParser(last=b"[DONE]"), RecordingListener(), reused=False)
    exchange.data_received(CHUNKED + chunk(b"[DONE]") + END)
    await asyncio.sleep(RESPONSE_END_S - 0.01)
    again, reused = await pool.acquire(1)
    assert (again, reused) == (exchange, True)
    again.start(b"", TextParser(last=b"[DONE]"), RecordingListener(), reused=True)
    again.data_received(CHUNKED + chunk(b"hello"))
    await asyncio.sleep(1)

    assert not wire.closed


@virtual_time
async def test_connection_is_active_with_each_part_of_the_answer() -> None:
    # Chaos fault 8: comments and single bytes kept a provider from being idle.
    exchange, _ = connected(ConnectionPool("http://llama", no_tls, LOOPBACK))
    exchange.start(b"", ChatParser(), RecordingListener(), reused=False)
    began = exchange.active_at
    exchange.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    text = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
    finish = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    role = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    active: list[float] = []
    for data in (b": ping\n\n", role, text, b": ping\n\n", b"data: {", b'"a":1}\n\n', finish):
        await asyncio.sleep(3)
        exchange.data_received(b"%x\r\n%b\r\n" % (len(data), data))
        active.append(exchange.active_at - began)

    assert active == pytest.approx([0, 0, 9, 9, 9, 9, 21])


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
    """A route's providers change while it serves: no later call uses the old pool."""
    pool = ConnectionPool("http://llama", no_tls, LOOPBACK)
    exchange, wire = connected(pool)
    listener = RecordingListener()
    exchange.start(b"", TextParser(), listener, reused=False)
    pool.close()
    exchange.data_received(sized(b"hello"))

    assert listener.words == ["hello"]
    assert wire.closed


@virtual_time
async def test_connection_discards_bytes_after_the_answer() -> None:
    exchange, _ = connected(ConnectionPool("http://llama", no_tls, LOOPBACK))
    listener = RecordingListener()
    exchange.start(b"", TextParser(), listener, reused=False)

    exchange.data_received(sized(b"hello") + sized(b"again"))

    assert listener.words == ["hello"]


# What has used the input


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
        listener, _ = await ask(server.pool, TextParser(bad=b"bad", last=b"last"))
        await listener.failure()
        assert listener.refused is refused
