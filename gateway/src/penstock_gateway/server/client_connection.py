"""The connection under a request, for a stream that is written without ASGI: one call per token."""

import asyncio
import os
from collections.abc import Callable

from litestar.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl

from penstock_gateway.server.coalescing_transport import CoalescingTransport
from penstock_gateway.server.write_timeout import BufferLimit, WriteTimeout

EXTENSION = "penstock.connection"


class ClientConnection:
    """Raw writes for a response whose start was sent through ASGI.

    `on_gone` is called for a write after the client's end, `on_authenticated` when the request had a valid key.
    """

    __slots__ = (
        "_buffer",
        "_bytes_max",
        "_fd",
        "_flow",
        "_on_authenticated",
        "_on_gone",
        "_probe",
        "_transport",
        "_write_timeout",
        "_writes",
        "chunked",
    )

    def __init__(
        self,
        transport: CoalescingTransport,
        flow: FlowControl,
        write_timeout: WriteTimeout,
        *,
        chunked: bool,
        on_gone: Callable[[], None] | None = None,
        on_authenticated: Callable[[], None] | None = None,
    ) -> None:
        self._transport = transport.under
        self._writes = transport.writes
        self._fd = _descriptor(transport.under)
        self._flow = flow
        self._write_timeout = write_timeout
        self._on_gone = on_gone
        self._on_authenticated = on_authenticated
        self._bytes_max = 0
        self._buffer = BufferLimit(0)
        self._probe = b""
        self.chunked = chunked
        """True if the response's body is chunked, so that `write` can be used."""

    def limit(self, bytes_max: int, probe: bytes = b"") -> None:
        """Allow `bytes_max` to wait for the client. `probe` are bytes that every client of this stream ignores."""
        self._bytes_max = bytes_max
        self._buffer = BufferLimit(bytes_max)
        self._probe = probe

    def write(self, data: bytes) -> bool:
        """Write one chunk of a chunked body (RFC 9112 §7.1). False if the client has too much unread.

        While nothing waits for the client, the bytes go to the kernel at once, not to the transport's queue; the first
        ones go with the head of the response.
        """
        if self._transport.is_closing():
            # uvloop raises for a write after the end.
            if self._on_gone is not None:
                self._on_gone()
            return True
        size, waiting = len(data), self._writes.size + self._transport.get_write_buffer_size()
        if (self._flow.write_paused or size > self._bytes_max) and not self._buffer.admits(waiting, size):
            return False
        chunk = b"%x\r\n%b\r\n" % (size, data)
        self._write_timeout.written += len(chunk)
        if not waiting and self._fd is not None:
            try:
                sent = os.write(self._fd, chunk)
            except OSError:
                # The kernel's buffer is full, or the client has gone: the transport handles both.
                sent = 0
            if sent == len(chunk):
                return True
            chunk = chunk[sent:]
        if self._writes.size:
            self._writes.write(chunk)
        else:
            # Now: the end of a client that has gone is noticed by this write.
            self._transport.write(chunk)
        return True

    @property
    def taken(self) -> int | None:
        """Bytes that the client's side has taken; None when none wait for it, here or in the kernel."""
        waiting = self._write_timeout.unacknowledged
        return self._write_timeout.written - waiting if waiting else None

    def probe(self) -> None:
        """Write bytes that a client ignores, if this is a stream: the TCP stack of a lost client rejects them."""
        if self._probe:
            self.write(self._probe)

    def authenticated(self) -> None:
        """The request had a valid key."""
        if self._on_authenticated is not None:
            self._on_authenticated()

    def finish(self) -> None:
        """Only the end follows. A client that reads nothing of the rest within the write timeout is cut off."""
        self._probe = b""
        self._write_timeout.start()

    def abort(self) -> None:
        """Cut the connection, so that no client takes a partial answer for the whole."""
        self._writes.discard()
        self._transport.abort()


def _descriptor(transport: asyncio.Transport) -> int | None:
    """The descriptor of a plain connection; None where the transport changes the bytes, or a write could block."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.get_extra_info("ssl_object") is not None or os.get_blocking(sock.fileno()):
        return None
    return int(sock.fileno())


def connection_of(scope: Scope) -> ClientConnection | None:
    """The connection under `scope`, if its server provides it."""
    connection: object = (scope.get("extensions") or {}).get(EXTENSION)
    return connection if isinstance(connection, ClientConnection) else None
