"""Hands a request's connection to the hot path, and limits what a client may send before a handler sees it.

uvicorn has no limit on the size of headers, and no timeout for them or for the body that they announce. A violation is
answered in the one error shape, where an answer is still possible. All other HTTP stays uvicorn's and Litestar's.
"""

import asyncio
import functools
import re
from typing import Any, NoReturn, cast

from litestar.types import HTTPScope
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from penstock_contract.errors import ErrorDetail
from penstock_gateway.http.cors import CorsRules
from penstock_gateway.http.error_response import ErrorResponse
from penstock_gateway.http.request_id import new_request_id
from penstock_gateway.server.client_connection import EXTENSION, ClientConnection
from penstock_gateway.server.coalescing_transport import CoalescingTransport
from penstock_gateway.server.connection_limits import ConnectionLimits
from penstock_gateway.server.framing import HEADERS_MAX, problem_of, too_many_headers
from penstock_gateway.server.half_closed import HalfClosed
from penstock_gateway.server.keyless_connections import KeylessConnections
from penstock_gateway.server.receive_buffer_limit import HEADER_OVERHEAD, HEADERS_TOO_LARGE, ReceiveLimit, ReceivePhase
from penstock_gateway.server.request_cycle import UnframedCycle, connection_under, mark_disconnected, without_chunks
from penstock_gateway.server.tcp_peer import TcpPeer
from penstock_gateway.server.write_timeout import WriteTimeout

ORIGIN = re.compile(rb"\r\norigin:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
REJECTED_MAX = 16
"""Connections beyond the limit whose head is read to its end, so that a browser page can read the 503."""
REJECTED_S = 1.0
WATCH_S = 0.25


class GatewayProtocol(HttpToolsProtocol):
    """`cors` adds the headers with which a page can read an answer of this class; `keyless` is the listener's."""

    def __init__(
        self,
        *args: Any,
        limits: ConnectionLimits | None = None,
        cors: CorsRules | None = None,
        keyless: KeylessConnections | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits or ConnectionLimits()
        self._cors = cors or CorsRules(frozenset())
        self._keyless = keyless or KeylessConnections()
        self._receiving = ReceiveLimit(self.loop, self._limits, self._on_receive_timeout)
        self._authenticated = False
        self._problem: ErrorDetail | None = None
        self._overloaded: ErrorDetail | None = None
        self._running: RequestResponseCycle | None = None
        self._connection: ClientConnection | None = None
        self._data = b""
        self._ahead = bytearray()
        """Bytes behind a request that waits for its turn: not parsed yet."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._coalescing = CoalescingTransport(transport)
        super().connection_made(cast("asyncio.Transport", self._coalescing))
        self._peer = TcpPeer(transport)
        self._write_timeout = WriteTimeout(self.transport, self.loop, self._limits.write_timeout_s, self._peer)
        self._half_closed = HalfClosed(transport, self.loop, self._peer, self._probe)
        self._keyless.add(self)
        if len(self.connections) > self._limits.connections_max and not self._find_place():
            return
        self._receiving.expect_head(REJECTED_S if self._overloaded else None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiving.expect_nothing()
        self._keyless.discard(self)
        self._write_timeout.cancel()
        self._half_closed.cancel()
        # uvicorn marks the request that was parsed last, which may wait behind the one that is being answered.
        for cycle in (self._running, *(cycle for cycle, _ in self.pipeline)):
            mark_disconnected(cycle)
        self.pipeline.clear()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """True keeps the connection open, for the answer to a request that was received completely."""
        if self._running is None or self._running.response_complete or self._running.more_body:
            return False
        self._half_closed.begin()
        return True

    def data_received(self, data: bytes) -> None:
        if self.pipeline or self._ahead:
            self._hold(data)
            return
        if self._receiving.phase is ReceivePhase.IDLE:
            self._receiving.expect_head()
        self._receiving.received(len(data))
        self._data = data
        super().data_received(data)
        if not self.transport.is_closing():
            exceeded = self._receiving.exceeded()
            if exceeded is not None:
                self._reject(exceeded)
            elif self.pipeline:
                # uvicorn stops reading here, and then the client's end would not be noticed.
                self.flow.resume_reading()
        if self._receiving.phase is not ReceivePhase.HEAD:
            self._data = b""

    # Pipelined requests

    def _hold(self, data: bytes) -> None:
        self._ahead += data
        if len(self._ahead) > self._limits.header_bytes_max:
            self.flow.pause_reading()
            self.loop.call_later(WATCH_S, self._watch)

    def _watch(self) -> None:
        """Detect the client's end while nothing is read."""
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
        self._connection = connection_under(cycle)
        super()._start_asgi_task(cycle, app)

    # httptools

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._receiving.phase is ReceivePhase.IDLE:  # pipelined
            self._receiving.expect_head()
        self._receiving.begin_message()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._receiving.phase is ReceivePhase.BODY:
            # A trailer. uvicorn would add it to the headers after the handlers have read them.
            return
        self._count(len(name) + len(value) + HEADER_OVERHEAD)
        super().on_header(name, value)
        if len(self.headers) > HEADERS_MAX:
            self._stop(too_many_headers())

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        problem = self._overloaded or problem_of(self.headers, version)
        if problem is not None:
            self._stop(problem)
        self._receiving.expect_body()
        self._keyless.discard(self)
        connection = ClientConnection(
            self._coalescing,
            self.flow,
            self._write_timeout,
            chunked=version == "1.1",
            on_gone=lambda: mark_disconnected(self._running),
            on_authenticated=self._on_authenticated,
        )
        extensions: dict[str, Any] = {EXTENSION: connection}
        self.scope["extensions"] = extensions
        super().on_headers_complete()
        if version == "1.0":
            without_chunks(self.cycle)

    def on_message_complete(self) -> None:
        self._receiving.expect_nothing()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        limits = self._limits
        keyless_s = None if self._authenticated else limits.keyless_keep_alive_s
        self.timeout_keep_alive = limits.keep_alive_s if keyless_s is None else keyless_s  # type: ignore[assignment] # an int of uvicorn's settings
        waiting = len(self.pipeline)
        super().on_response_complete()
        self._coalescing.writes.flush()
        self._write_timeout.start()
        if self._ahead:
            self.loop.call_soon(self._parse_ahead)
        elif not waiting:
            if self._half_closed.begun:
                self.transport.close()
            elif not self._authenticated:
                self._keyless.add(self)

    def send_400_response(self, msg: str) -> None:
        del msg
        self._reject(self._problem or ErrorDetail("invalid_request", "the request is not valid HTTP"))

    # The client

    def _find_place(self) -> bool:
        """Above the connection limit: close a keyless connection for this one, or reject it. False if closed now."""
        keyless, open_ = self._keyless, len(self.connections)
        if not keyless.make_room(self):
            keyless.discard(self)
            keyless.count_rejected()
            self._overloaded = ErrorDetail("overloaded", "too many connections are open", retry_after_s=1)
        keyless.log_full(self.loop.time(), open_=open_, most=self._limits.connections_max)
        if self._overloaded and open_ > self._limits.connections_max + REJECTED_MAX:
            self._reject(self._overloaded)
            return False
        return True

    def evict(self) -> None:
        self._receiving.expect_nothing()
        self.transport.close()

    def _on_authenticated(self) -> None:
        self._authenticated = True
        self._keyless.discard(self)

    def _probe(self) -> None:
        """Write bytes that a client ignores, to find out if it has only stopped sending or has gone."""
        running = self._running
        if running is None or running.response_complete:
            return
        if isinstance(running, UnframedCycle):
            # HTTP/1.0 has no interim responses, and its proxies (nginx without 1.1) end their request with a FIN.
            self.transport.abort()
        elif not running.response_started:
            # RFC 9110 §15.2: a client parses interim responses even if it did not request one.
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif self._connection is not None:
            self._connection.probe()

    # Limits

    def _on_receive_timeout(self, timeout_s: float) -> None:
        if self.transport.is_closing():
            return
        if self._overloaded is not None:
            self._reject(self._overloaded)
        elif self.flow.read_paused or self.pipeline:
            # This side does not read: a pipelined request waits for its turn.
            self._receiving.extend(timeout_s)
        elif self._receiving.phase is ReceivePhase.HEAD and not self._receiving.head_bytes:
            self.transport.close()  # nothing was requested
        else:
            part = "headers" if self._receiving.phase is ReceivePhase.HEAD else "body"
            self._reject(ErrorDetail("receive_timeout", f"the request's {part} did not arrive in time"))

    def _count(self, size: int) -> None:
        if not self._receiving.parsed(size):
            self._stop(HEADERS_TOO_LARGE)

    def _stop(self, problem: ErrorDetail) -> NoReturn:
        """Stop parsing: httptools raises its own error for this one, and uvicorn then calls `send_400_response`."""
        self._problem = problem
        raise ValueError(problem.message)

    def _reject(self, detail: ErrorDetail) -> None:
        """Answer and close; close without an answer where part of a response has been sent."""
        cycle = self.cycle
        if self._receiving.phase is ReceivePhase.BODY and cycle is not None:
            answerable = not cycle.response_started and not self.pipeline
            mark_disconnected(cycle)
        else:
            answerable = cycle is None or cycle.response_complete
        self._receiving.expect_nothing()
        if answerable:
            origin = self._origin()
            headers = self._cors.headers_for(origin) if origin else []
            scope = None if cycle is None else cast("HTTPScope", cycle.scope)
            self.transport.write(ErrorResponse(detail).raw(new_request_id(), headers, scope))
            self.transport.close()
            self._write_timeout.start()
        else:
            self.transport.abort()

    def _origin(self) -> bytes:
        """The Origin of the rejected request; also from unparsed bytes, because a long header may precede it."""
        for name, value in self.headers or ():
            if name == b"origin":
                return value
        found = ORIGIN.search(self._data)
        return found[1] if found else b""


def protocol(limits: ConnectionLimits, cors: CorsRules | None = None) -> type[asyncio.Protocol]:
    """The protocol factory of one listener, which uvicorn calls for each connection."""
    made = functools.partial(GatewayProtocol, limits=limits, cors=cors, keyless=KeylessConnections())
    return cast("type[asyncio.Protocol]", made)
