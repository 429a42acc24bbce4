"""The connection under a request, for what writes a stream without ASGI: one call per token."""

import asyncio
from collections.abc import Callable

from litestar.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl

from penstock_gateway.server.write_timeout import Room, Unread

EXTENSION = "penstock.connection"


class ClientConnection:
    """Raw writes for a response whose start was sent through ASGI.

    `gone` is called for a write after the client's end, `shown` when the request has shown a valid key.
    """

    __slots__ = ("_bytes_max", "_flow", "_gone", "_probe", "_room", "_shown", "_transport", "_unread", "chunked")

    def __init__(
        self,
        transport: asyncio.Transport,
        flow: FlowControl,
        unread: Unread,
        *,
        chunked: bool,
        gone: Callable[[], None] | None = None,
        shown: Callable[[], None] | None = None,
    ) -> None:
        self._transport = transport
        self._flow = flow
        self._unread = unread
        self._gone = gone
        self._shown = shown
        self._bytes_max = 0
        self._room = Room(0)
        self._probe = b""
        self.chunked = chunked
        """Whether the response's body is, so that `write` can be used."""

    def bound(self, bytes_max: int, probe: bytes = b"") -> None:
        """Let at most `bytes_max` wait for the client to read. `probe` is what every client of this stream ignores."""
        self._bytes_max = bytes_max
        self._room = Room(bytes_max)
        self._probe = probe

    def write(self, data: bytes) -> bool:
        """One chunk of a chunked body (RFC 9112 §7.1)."""
        if self._transport.is_closing():
            # uvloop raises for a write after the end.
            if self._gone is not None:
                self._gone()
            return True
        size = len(data)
        if (self._flow.write_paused or size > self._bytes_max) and not self._room.admits(
            self._transport.get_write_buffer_size(), size
        ):
            return False
        chunk = b"%x\r\n%b\r\n" % (size, data)
        self._unread.written += len(chunk)
        self._transport.write(chunk)
        return True

    @property
    def taken(self) -> int | None:
        """Bytes that the client's side has taken, None when none wait for it: neither here nor in the kernel."""
        waiting = self._unread.unacknowledged
        return self._unread.written - waiting if waiting else None

    def probe(self) -> None:
        """Write what a client ignores, if this is a stream: one that is gone refuses it."""
        if self._probe:
            self.write(self._probe)

    def authenticated(self) -> None:
        """The request has shown a valid key."""
        if self._shown is not None:
            self._shown()

    def finish(self) -> None:
        """Nothing comes but the end: a client that reads nothing of what is left for the write timeout is cut off."""
        self._probe = b""
        self._unread.limit()

    def abort(self) -> None:
        """Cut the connection, so that no client takes what it has for the whole."""
        self._transport.abort()


def connection_of(scope: Scope) -> ClientConnection | None:
    """The connection under `scope`, if its server hands it over."""
    connection: object = (scope.get("extensions") or {}).get(EXTENSION)
    return connection if isinstance(connection, ClientConnection) else None
