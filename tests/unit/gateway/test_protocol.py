"""The hot path to a client writes raw chunks on uvicorn's connection, between an ASGI start and an ASGI end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import httptools
import msgspec
from unit.support.loops import on_every_loop
from unit.support.transports import RecordingTransport
from unit.support.virtual_time import virtual_time
from uvicorn import Config
from uvicorn.server import ServerState

from penstock_gateway.server.client_connection import connection_of
from penstock_gateway.server.connection_limits import ConnectionLimits
from penstock_gateway.server.protocol import GatewayProtocol
from penstock_gateway.settings import GatewaySettings


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


async def idle(wire: RecordingTransport, limits: ConnectionLimits | None = None) -> GatewayProtocol:
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
    wire = RecordingTransport()
    await idle(wire)
    await asyncio.sleep(60)
    assert not wire.closing

    await asyncio.sleep(GatewaySettings().keep_alive_s - 60 + 0.1)
    assert wire.closing


@virtual_time
async def test_protocol_closes_an_idle_connection_after_its_keep_alive() -> None:
    wire = RecordingTransport()
    await idle(wire, ConnectionLimits(keep_alive_s=3))
    await asyncio.sleep(2.9)
    assert not wire.closing

    await asyncio.sleep(0.2)
    assert wire.closing


@virtual_time
async def test_protocol_starts_the_header_timeout_of_the_next_request() -> None:
    wire = RecordingTransport()
    made = await idle(wire, ConnectionLimits(keep_alive_s=60, header_timeout_s=10))
    await asyncio.sleep(59)
    made.data_received(REQUEST[:7])
    await asyncio.sleep(9)
    assert not wire.closing

    await asyncio.sleep(2)
    assert wire.closing
    assert b"HTTP/1.1 408 " in wire.sent
