"""Hands a request's connection to the hot path, and bounds what a client may send before any door sees it.

uvicorn waits for ever for headers of any size, and for the body that they announce. What goes wrong here is answered in
the one error shape, where an answer is still possible. Everything else of HTTP stays uvicorn's and Litestar's.
"""

import asyncio
import functools
import http
import re
from collections.abc import Sequence
from enum import Enum
from typing import Any, NoReturn, cast

from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from penstock_contract.errors import ERRORS, ErrorDetail
from penstock_gateway.http.cors import CorsRules
from penstock_gateway.http.errors import headers_of
from penstock_gateway.http.request_id import new_request_id
from penstock_gateway.server.client_connection import EXTENSION, ClientConnection
from penstock_gateway.server.connection_limits import ConnectionBounds
from penstock_gateway.server.framing import HEADERS_MAX, Header, problem_of, too_many
from penstock_gateway.server.half_closed import HalfClosed
from penstock_gateway.server.keyless_connections import KeylessConnections
from penstock_gateway.server.peer import Peer
from penstock_gateway.server.write_timeout import Unread
from penstock_gateway.streaming.renderers.renderer import error_json

HEADER_OVERHEAD = 4
"""Colon, space and the line's end."""
CHUNKS_OVERHEAD = 4
"""How many times its size a body may take on the wire: chunks of one byte and endless chunk extensions are no use."""


ORIGIN = re.compile(rb"\r\norigin:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
REFUSALS_MAX = 16
"""Connections beyond the most that are read to the end of their head, so that a page can read the 503."""
REFUSAL_S = 1.0
WATCH_S = 0.25


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
    """`cors` adds what a page needs to read an answer that is given here; `keyless` is the listener's."""

    def __init__(
        self,
        *args: Any,
        bounds: ConnectionBounds | None = None,
        cors: CorsRules | None = None,
        keyless: KeylessConnections | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds or ConnectionBounds()
        self._cors = cors or CorsRules(frozenset())
        self._keyless = keyless or KeylessConnections()
        self._keyed = False
        self._phase = _Phase.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = self._body_bytes = self._read_bytes = 0
        self._problem: ErrorDetail | None = None
        self._overloaded: ErrorDetail | None = None
        self._running: RequestResponseCycle | None = None
        self._connection: ClientConnection | None = None
        self._data = b""
        self._ahead = bytearray()
        """What came behind a request that waits for its turn: not parsed yet."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = Peer(transport)
        self._unread = Unread(transport, self.loop, self._bounds.write_timeout_s, self._peer)
        self._half_closed = HalfClosed(transport, self.loop, self._peer, self._probe)
        self._keyless.add(self)
        if len(self.connections) > self._bounds.connections_max and not self._take_place():
            return
        self._expect(_Phase.HEAD, REFUSAL_S if self._overloaded else self._bounds.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        self._keyless.discard(self)
        self._unread.forget()
        self._half_closed.forget()
        # uvicorn marks the request that was parsed last, which may wait behind the one that is answered.
        for cycle in (self._running, *(cycle for cycle, _ in self.pipeline)):
            _mark_gone(cycle)
        self.pipeline.clear()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the connection stays open: for the answer to a request that was received as a whole."""
        if self._running is None or self._running.response_complete or self._running.more_body:
            return False
        self._half_closed.begin()
        return True

    def data_received(self, data: bytes) -> None:
        if self.pipeline or self._ahead:
            self._hold(data)
            return
        if self._phase is _Phase.IDLE:
            self._expect(_Phase.HEAD, self._bounds.header_timeout_s)
        if self._phase is _Phase.HEAD:
            # Here too, as the parser hands over a header only when it has ended.
            self._head_bytes += len(data)
        else:
            self._body_bytes += len(data)
        self._data = data
        super().data_received(data)
        if not self.transport.is_closing():
            if self._phase is _Phase.HEAD and self._head_bytes > self._bounds.header_bytes_max:
                self._refuse(self._too_long())
            elif self._phase is _Phase.BODY and self._body_bytes > self._bounds.body_bytes_max * CHUNKS_OVERHEAD:
                self._refuse(ErrorDetail("request_too_large", "the request's body is too large"))
            elif self.pipeline:
                # uvicorn stops reading here, and then a client that goes away is not seen.
                self.flow.resume_reading()
        if self._phase is not _Phase.HEAD:
            self._data = b""

    # Requests behind another

    def _hold(self, data: bytes) -> None:
        self._ahead += data
        if len(self._ahead) > self._bounds.header_bytes_max:
            self.flow.pause_reading()
            self.loop.call_later(WATCH_S, self._watch)

    def _watch(self) -> None:
        """Look for the client's end while nothing is read."""
        if self.transport.is_closing() or not self.flow.read_paused or not self._ahead:
            return
        if self._peer.reset:
            self.transport.abort()
            return
        if self._peer.ended:
            self._half_closed.begin()
        self.loop.call_later(WATCH_S, self._watch)

    def _parse_ahead(self) -> None:
        if self._ahead and not self.pipeline and not self.transport.is_closing():
            data, self._ahead = bytes(self._ahead), bytearray()
            self.data_received(data)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        self._connection = _connection_under(cycle)
        super()._start_asgi_task(cycle, app)

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
        if len(self.headers) > HEADERS_MAX:
            self._stop(too_many())

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        problem = self._overloaded or problem_of(self.headers, version)
        if problem is not None:
            self._stop(problem)
        self._expect(_Phase.BODY, self._bounds.body_timeout_s)
        self._keyless.discard(self)
        connection = ClientConnection(
            self.transport,
            self.flow,
            self._unread,
            chunked=version == "1.1",
            gone=self._client_gone,
            shown=self._key_shown,
        )
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
        bounds = self._bounds
        keyless_s = None if self._keyed else bounds.keyless_keep_alive_s
        self.timeout_keep_alive = bounds.keep_alive_s if keyless_s is None else keyless_s  # type: ignore[assignment] # an int of uvicorn's settings
        waiting = len(self.pipeline)
        super().on_response_complete()
        self._unread.limit()
        if self._ahead:
            self.loop.call_soon(self._parse_ahead)
        elif not waiting:
            if self._half_closed.begun:
                self.transport.close()
            elif not self._keyed:
                self._keyless.add(self)

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(self._problem or ErrorDetail("invalid_request", "the request is not valid HTTP"))

    # The client

    def _take_place(self) -> bool:
        """Beyond the most connections: close a keyless one for this one, or refuse it. False if that is done."""
        keyless, open_ = self._keyless, len(self.connections)
        if not keyless.make_room(self):
            keyless.discard(self)
            keyless.refused()
            self._overloaded = ErrorDetail("overloaded", "too many connections are open", retry_after_s=1)
        keyless.note(self.loop.time(), open_=open_, most=self._bounds.connections_max)
        if self._overloaded and open_ > self._bounds.connections_max + REFUSALS_MAX:
            self._refuse(self._overloaded)
            return False
        return True

    def evict(self) -> None:
        self._expect_nothing()
        self.transport.close()

    def _key_shown(self) -> None:
        self._keyed = True
        self._keyless.discard(self)

    def _client_gone(self) -> None:
        _mark_gone(self._running)

    def _probe(self) -> None:
        """Write something that a client ignores, to learn whether it has only stopped sending or is gone."""
        running = self._running
        if running is None or running.response_complete:
            return
        if isinstance(running, UnframedCycle):
            # HTTP/1.0 has no interim responses, and proxies that use it end their request so: nginx without 1.1.
            self.transport.abort()
        elif not running.response_started:
            # RFC 9110 §15.2: a client parses interim responses also when it has not asked for one.
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif self._connection is not None:
            self._connection.probe()

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
        if self._overloaded is not None:
            self._refuse(self._overloaded)
        elif self.flow.read_paused or self.pipeline:
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
            self._stop(self._too_long())

    def _stop(self, problem: ErrorDetail) -> NoReturn:
        """Stop to parse: the parser turns the error into its own, then uvicorn calls `send_400_response`."""
        self._problem = problem
        raise ValueError(problem.message)

    def _too_long(self) -> ErrorDetail:
        return ErrorDetail("headers_too_large", "the request's line and headers are too long")

    def _refuse(self, detail: ErrorDetail) -> None:
        """Answer and hang up; only hang up where bytes of an answer are on their way already."""
        cycle = self.cycle
        if self._phase is _Phase.BODY and cycle is not None:
            answerable = not cycle.response_started and not self.pipeline
            _mark_gone(cycle)
        else:
            answerable = cycle is None or cycle.response_complete
        self._expect_nothing()
        if answerable:
            origin = self._origin()
            self.transport.write(raw_answer(detail, self._cors.headers_for(origin) if origin else []))
            self._unread.limit()
            self.transport.close()
        else:
            self.transport.abort()

    def _origin(self) -> bytes:
        """Of the request that is refused; also from what is not parsed, as a long header may come before it."""
        for name, value in self.headers or ():
            if name == b"origin":
                return value
        found = ORIGIN.search(self._data)
        return found[1] if found else b""


def _connection_under(cycle: RequestResponseCycle) -> ClientConnection | None:
    extensions: dict[str, Any] = cycle.scope.get("extensions") or {}
    return extensions.get(EXTENSION)


def _mark_gone(cycle: RequestResponseCycle | None) -> None:
    """Let the request's handler know that its client is gone."""
    if cycle is not None and not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()


def raw_answer(detail: ErrorDetail, extra: Sequence[Header] = ()) -> bytes:
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
        *(f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in extra),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def protocol(bounds: ConnectionBounds, cors: CorsRules | None = None) -> type[asyncio.Protocol]:
    """What uvicorn calls for each connection of one listener."""
    made = functools.partial(GatewayProtocol, bounds=bounds, cors=cors, keyless=KeylessConnections())
    return cast("type[asyncio.Protocol]", made)
