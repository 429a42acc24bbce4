"""The hot path to a client writes raw chunks on uvicorn's connection, between an ASGI start and an ASGI end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import httptools
import msgspec
import pytest
from unit.support.loops import on_every_loop
from unit.support.virtual_time import virtual_time
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from penstock_gateway.server.client_connection import EXTENSION, ClientConnection, connection_of
from penstock_gateway.server.coalescing_transport import CoalescingTransport
from penstock_gateway.server.connection_limits import ConnectionLimits
from penstock_gateway.server.protocol import GatewayProtocol
from penstock_gateway.server.write_timeout import WriteTimeout
from penstock_gateway.settings import GatewaySettings


class Wire(asyncio.Transport):
    """A transport; the test sets how many bytes wait for the client."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.waiting = 0
        self.closing = False
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def connection(bytes_max: int = 100) -> tuple[ClientConnection, Wire, FlowControl]:
    wire = Wire()
    flow = FlowControl(wire)
    transport = CoalescingTransport(wire)
    write_timeout = WriteTimeout(cast("asyncio.Transport", transport), asyncio.get_running_loop(), 30)
    made = ClientConnection(transport, flow, write_timeout, chunked=True)
    made.limit(bytes_max)
    return made, wire, flow


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        (b"x", b"1\r\nx\r\n"),
        (b"data: [DONE]\n\n", b"e\r\ndata: [DONE]\n\n\r\n"),
        (b"x" * 255, b"ff\r\n" + b"x" * 255 + b"\r\n"),
        (b"x" * 4096, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    ],
)
async def test_client_connection_writes_one_chunk(data: bytes, chunk: bytes) -> None:
    made, wire, _ = connection()

    assert made.write(data)
    await asyncio.sleep(0)
    assert wire.sent == chunk


async def test_client_connection_writes_the_head_of_a_response_and_the_first_chunk_in_one_call() -> None:
    wire = Wire()
    transport = CoalescingTransport(wire)
    made = ClientConnection(
        transport, FlowControl(wire), WriteTimeout(wire, asyncio.get_running_loop(), 30), chunked=True
    )
    made.limit(100)
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert made.write(b"x")
    assert wire.writes == []
    await asyncio.sleep(0)

    assert wire.writes == [b"HTTP/1.1 200 OK\r\n\r\n1\r\nx\r\n"]


async def test_coalescing_transport_counts_what_it_holds_as_buffered() -> None:
    wire = Wire()
    wire.waiting = 5
    transport = CoalescingTransport(wire)
    transport.write(b"abc")
    assert transport.get_write_buffer_size() == 8
    await asyncio.sleep(0)

    assert transport.get_write_buffer_size() == 5


async def test_coalescing_transport_writes_what_it_holds_before_it_closes() -> None:
    wire = Wire()
    transport = CoalescingTransport(wire)
    transport.write(b"abc")
    transport.close()

    assert wire.closing
    assert wire.sent == b"abc"


@pytest.mark.parametrize("end", ["abort", "closing"])
async def test_coalescing_transport_writes_nothing_after_the_end(end: str) -> None:
    wire = Wire()
    transport = CoalescingTransport(wire)
    transport.write(b"abc")
    if end == "abort":
        transport.abort()
    else:
        wire.closing = True
    await asyncio.sleep(0)

    assert wire.sent == b""
    assert wire.aborted == (end == "abort")


async def test_client_connection_limits_the_bytes_of_a_slow_client() -> None:
    made, wire, flow = connection(bytes_max=100)
    flow.pause_writing()
    wire.waiting = 100
    assert made.write(b"a")

    await asyncio.sleep(0)
    wire.waiting = 101
    assert not made.write(b"b")
    assert wire.sent == b"1\r\na\r\n"


async def test_client_connection_writes_again_when_the_client_reads() -> None:
    made, wire, flow = connection(bytes_max=100)
    flow.pause_writing()
    wire.waiting = 101
    flow.resume_writing()

    assert made.write(b"a")


async def test_client_connection_ignores_writes_after_the_clients_end() -> None:
    made, wire, _ = connection()
    wire.closing = True

    assert made.write(b"a")
    assert wire.sent == b""


async def test_client_connection_abort_cuts_the_connection() -> None:
    made, wire, _ = connection()
    made.abort()

    assert wire.aborted


async def test_client_connection_counts_the_bytes_that_the_client_has_taken() -> None:
    made, wire, _ = connection()
    assert made.taken is None

    made.write(b"x" * 40)
    await asyncio.sleep(0)
    wire.waiting = 30
    assert made.taken == len(b"28\r\n") + 40 + len(b"\r\n") - 30


async def test_client_connection_counts_no_bytes_as_taken_that_are_not_written_yet() -> None:
    wire = Wire()
    transport = CoalescingTransport(wire)
    write_timeout = WriteTimeout(cast("asyncio.Transport", transport), asyncio.get_running_loop(), 30)
    made = ClientConnection(transport, FlowControl(wire), write_timeout, chunked=True)
    made.limit(100)
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    made.write(b"x" * 40)
    taken = made.taken
    await asyncio.sleep(0)
    wire.waiting = len(wire.sent)  # the client reads nothing

    assert made.taken == taken


async def test_client_connection_notices_a_lost_client_in_the_call_that_writes() -> None:
    made, wire, _ = connection()
    made.write(b"x")

    assert wire.sent == b"1\r\nx\r\n"


async def test_client_connection_is_found_in_the_scope_of_its_server() -> None:
    made, _, _ = connection()

    def found(extensions: dict[str, Any] | None) -> ClientConnection | None:
        return connection_of({"extensions": extensions})  # type: ignore[arg-type]

    assert found({EXTENSION: made}) is made
    assert found({}) is None
    assert found(None) is None
    assert found({EXTENSION: object()}) is None


async def stream_app(scope: Any, receive: Any, send: Any) -> None:
    """Start through ASGI, two pieces on the connection itself, end through ASGI."""
    del receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    writer = connection_of(scope)
    assert writer is not None
    if not writer.chunked:
        await send({"type": "http.response.body", "body": b"plain"})
        return
    writer.limit(65_536)
    writer.write(b"data: a\n\n")
    await asyncio.sleep(0)
    writer.write(b"data: [DONE]\n\n")
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def served(state: ServerState | None = None) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a uvicorn with the gateway's protocol."""
    config = Config(stream_app, http=GatewayProtocol, lifespan="off", log_config=None)
    config.load()
    state = state or ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: GatewayProtocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()
        while state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)
        server.close()


class Answer:
    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.whole = False
        self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.whole = True

    async def read(self, reader: asyncio.StreamReader) -> "Answer":
        while not self.whole:
            data = await reader.read(65_536)
            assert data, "the connection ended inside the answer"
            self._parser.feed_data(data)
        return self


@on_every_loop
async def test_protocol_sends_connection_writes_as_the_response_body() -> None:
    async with served() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"".join((await Answer().read(reader)).body) == b"data: a\n\ndata: [DONE]\n\n"


@on_every_loop
async def test_protocol_disables_nagles_algorithm() -> None:
    state = ServerState()
    async with served(state):
        while not state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)
        [protocol] = state.connections
        assert isinstance(protocol, GatewayProtocol)
        sock = protocol.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@on_every_loop
async def test_protocol_serves_the_next_request_after_a_stream() -> None:
    async with served() as (reader, writer):
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert b"".join((await Answer().read(reader)).body) == b"data: a\n\ndata: [DONE]\n\n"


@on_every_loop
async def test_protocol_serves_http_1_0_without_chunks() -> None:
    async with served() as (reader, writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head
    assert body == b"plain"


@on_every_loop
async def test_protocol_answers_invalid_http_in_the_error_shape() -> None:
    async with served() as (reader, writer):
        writer.write(b"nonsense\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert head.startswith(b"HTTP/1.1 400 ")
    assert msgspec.json.decode(body)["error"]["code"] == "invalid_request"
    assert headers[b"x-request-id"] == headers[b"request-id"]
    assert int(headers[b"content-length"]) == len(body)


REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def idle(wire: Wire, limits: ConnectionLimits | None = None) -> GatewayProtocol:
    """A connection after its first response."""
    config = Config(stream_app, http=GatewayProtocol, lifespan="off", log_config=None)
    config.load()
    made = GatewayProtocol(config, ServerState(), {}, limits=limits)
    made.connection_made(wire)
    made.data_received(REQUEST)
    while not made.cycle.response_complete:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    return made


@virtual_time
async def test_protocol_keeps_an_idle_connection_longer_than_load_balancers() -> None:
    """A load balancer would send the next request into the gateway's close, and answer it with a 502."""
    wire = Wire()
    await idle(wire)
    await asyncio.sleep(60)
    assert not wire.closing

    await asyncio.sleep(GatewaySettings().keep_alive_s - 60 + 0.1)
    assert wire.closing


@virtual_time
async def test_protocol_closes_an_idle_connection_after_its_keep_alive() -> None:
    wire = Wire()
    await idle(wire, ConnectionLimits(keep_alive_s=3))
    await asyncio.sleep(2.9)
    assert not wire.closing

    await asyncio.sleep(0.2)
    assert wire.closing


@virtual_time
async def test_protocol_starts_the_header_timeout_of_the_next_request() -> None:
    wire = Wire()
    made = await idle(wire, ConnectionLimits(keep_alive_s=60, header_timeout_s=10))
    await asyncio.sleep(59)
    made.data_received(REQUEST[:7])
    await asyncio.sleep(9)
    assert not wire.closing

    await asyncio.sleep(2)
    assert wire.closing
    assert b"HTTP/1.1 408 " in wire.sent
