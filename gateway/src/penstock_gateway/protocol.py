"""Hands a request's connection to the hot path, and bounds what a client may send before any door sees it.

uvicorn waits for ever for headers of any size, and for the body that they announce. What goes wrong here is answered in
the one error shape, where an answer is still possible. Everything else of HTTP stays uvicorn's and Litestar's.
"""

import asyncio
import functools
import http
from enum import Enum
from typing import Any, cast

from litestar.types import Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from penstock_contract.errors import ERRORS, ErrorDetail
from penstock_gateway.connection_bounds import ConnectionBounds
from penstock_gateway.problems import headers_of
from penstock_gateway.renderers.renderer import error_json
from penstock_gateway.request_id import new_request_id
from penstock_gateway.unread import Unread

EXTENSION = "penstock.connection"
HEADER_OVERHEAD = 4
"""Colon, space and the line's end."""
CHUNKS_OVERHEAD = 4
"""How many times its size a body may take on the wire: chunks of one byte and endless chunk extensions are no use."""


class ClientConnection:
    """The connection under a request: raw writes for whoever has sent the response's start through ASGI."""

    __slots__ = ("_bytes_max", "_flow", "_transport", "_unread", "chunked")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl, unread: Unread, *, chunked: bool) -> None:
        self._transport = transport
        self._flow = flow
        self._unread = unread
        self._bytes_max = 0
        self.chunked = chunked
        """Whether the response's body is, so that `write` can be used."""

    def bound(self, bytes_max: int) -> None:
        """Let at most `bytes_max` wait for the client to read."""
        self._bytes_max = bytes_max

    def write(self, data: bytes) -> bool:
        """One chunk of a chunked body (RFC 9112 §7.1)."""
        if self._transport.is_closing():
            # The client has gone; its stream is about to hear of it. uvloop raises for a write after the end.
            return True
        if self._flow.write_paused and self._transport.get_write_buffer_size() > self._bytes_max:
            return False
        chunk = b"%x\r\n%b\r\n" % (len(data), data)
        self._unread.written += len(chunk)
        self._transport.write(chunk)
        return True

    @property
    def taken(self) -> int | None:
        """Bytes that have left for the client, None when none wait for it."""
        return self._unread.taken if self._unread.waiting else None

    def finish(self) -> None:
        """Nothing comes but the end: a client that reads nothing of what is left for the write timeout is cut off."""
        self._unread.limit()

    def abort(self) -> None:
        """Cut the connection, so that no client takes what it has for the whole."""
        self._transport.abort()


def connection_of(scope: Scope) -> ClientConnection | None:
    """The connection under `scope`, if its server hands it over."""
    connection: object = (scope.get("extensions") or {}).get(EXTENSION)
    return connection if isinstance(connection, ClientConnection) else None


class UnframedCycle(RequestResponseCycle):
    """For HTTP/1.0, which knows no chunks (RFC 9112 §6.1): the end of the connection is the end of the body."""

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.body":
            # uvicorn counts a body that is not chunked against its content-length; without one, each piece is right.
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)


class _Phase(Enum):
    IDLE = "idle"
    HEAD = "head"
    BODY = "body"


class GatewayProtocol(HttpToolsProtocol):
    def __init__(self, *args: Any, bounds: ConnectionBounds | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds or ConnectionBounds()
        self.timeout_keep_alive = self._bounds.keep_alive_s  # type: ignore[assignment] # an int of uvicorn's settings
        self._phase = _Phase.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = self._body_bytes = self._read_bytes = 0
        self._problem: ErrorDetail | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._unread = Unread(transport, self.loop, self._bounds.write_timeout_s)
        if len(self.connections) > self._bounds.connections_max:
            self._refuse(ErrorDetail("overloaded", "too many connections are open", retry_after_s=1))
            return
        self._expect(_Phase.HEAD, self._bounds.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        self._unread.forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._phase is _Phase.IDLE:
            self._expect(_Phase.HEAD, self._bounds.header_timeout_s)
        if self._phase is _Phase.HEAD:
            # Here too, as the parser hands over a header only when it has ended.
            self._head_bytes += len(data)
        else:
            self._body_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._phase is _Phase.HEAD and self._head_bytes > self._bounds.header_bytes_max:
            self._refuse(self._too_long())
        elif self._phase is _Phase.BODY and self._body_bytes > self._bounds.body_bytes_max * CHUNKS_OVERHEAD:
            self._refuse(ErrorDetail("request_too_large", "the request's body is too large"))

    # httptools

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._phase is _Phase.IDLE:  # pipelined
            self._expect(_Phase.HEAD, self._bounds.header_timeout_s)
        self._read_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is _Phase.BODY:
            # A trailer: uvicorn would add it to the headers, behind everybody's back who has read them.
            return
        self._count(len(name) + len(value) + HEADER_OVERHEAD)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._expect(_Phase.BODY, self._bounds.body_timeout_s)
        version = self.parser.get_http_version()
        connection = ClientConnection(self.transport, self.flow, self._unread, chunked=version == "1.1")
        extensions: dict[str, Any] = {EXTENSION: connection}
        self.scope["extensions"] = extensions
        super().on_headers_complete()
        if version == "1.0":
            self.cycle.__class__ = UnframedCycle
            self.cycle.chunked_encoding = False

    def on_message_complete(self) -> None:
        self._expect_nothing()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unread.limit()

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(self._problem or ErrorDetail("invalid_request", "the request is not valid HTTP"))

    # What a client may take

    def _expect(self, phase: _Phase, timeout_s: float) -> None:
        self._expect_nothing()
        self._phase = phase
        self._timer = self.loop.call_later(timeout_s, self._too_slow, timeout_s)

    def _expect_nothing(self) -> None:
        self._phase = _Phase.IDLE
        self._head_bytes = self._body_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self, timeout_s: float) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            # It is we who do not read: a request behind another on the same connection waits for its turn.
            self._timer = self.loop.call_later(timeout_s, self._too_slow, timeout_s)
        elif self._phase is _Phase.HEAD and not self._head_bytes:
            self.transport.close()  # it has asked for nothing, so there is nothing to answer
        else:
            part = "headers" if self._phase is _Phase.HEAD else "body"
            self._refuse(ErrorDetail("receive_timeout", f"the request's {part} did not arrive in time"))

    def _count(self, bytes_: int) -> None:
        self._read_bytes += bytes_
        if self._read_bytes > self._bounds.header_bytes_max:
            self._problem = self._too_long()
            raise ValueError(self._problem.message)  # the parser turns it into its own, uvicorn calls us back

    def _too_long(self) -> ErrorDetail:
        return ErrorDetail("headers_too_large", "the request's line and headers are too long")

    def _refuse(self, detail: ErrorDetail) -> None:
        """Answer and hang up; only hang up where bytes of an answer are on their way already."""
        cycle = self.cycle
        if self._phase is _Phase.BODY and cycle is not None:
            answerable = not cycle.response_started and not self.pipeline
            cycle.disconnected = True
        else:
            answerable = cycle is None or cycle.response_complete
        self._expect_nothing()
        if answerable:
            self.transport.write(raw_answer(detail))
            self._unread.limit()
            self.transport.close()
        else:
            self.transport.abort()


def raw_answer(detail: ErrorDetail) -> bytes:
    """A whole response, for what never becomes a request."""
    kind = ERRORS[detail.code]
    body = error_json(detail)
    request_id = new_request_id()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        "x-request-id": request_id,
        "request-id": request_id,
        **headers_of(detail),
    }
    lines = [
        f"HTTP/1.1 {kind.status} {http.HTTPStatus(kind.status).phrase}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def protocol(bounds: ConnectionBounds) -> type[asyncio.Protocol]:
    """What uvicorn calls for each connection."""
    return cast("type[asyncio.Protocol]", functools.partial(GatewayProtocol, bounds=bounds))
