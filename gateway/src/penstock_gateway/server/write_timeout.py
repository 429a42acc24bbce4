"""Bytes that a client has not read yet, and the timeout for a client that reads none of them.

A client reads when bytes leave for it, however few. The number that waits means nothing: a slow client may have much
waiting for long. (Bytes leave in steps: the kernel takes more when a third of its buffer is free.) While a stream
runs, the supervisor checks this with the stream's other timeouts; after an answer's end, `WriteTimeout` does.
"""

import asyncio

from penstock_gateway.server.tcp_peer import TcpPeer

LARGE_MAX = 2
"""Events above the limit that may wait at once: a client gets time to read one while the next comes."""


class BufferLimit:
    """Limits the bytes that wait for a client to `bytes_max`, and a few events that are larger by themselves.

    Without that exception one large event would cut a client that reads as fast as it can: it had no time to read it.
    """

    __slots__ = ("_large_bytes", "_larges", "bytes_max")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._larges = self._large_bytes = 0

    def admits(self, waiting: int, size: int) -> bool:
        """True if `size` bytes may be added to `waiting`. Call it when bytes wait, or `size` is above the limit."""
        if waiting <= self.bytes_max:
            self._larges = self._large_bytes = 0
        elif waiting > self.bytes_max + self._large_bytes:
            return False
        if size > self.bytes_max:
            if self._larges == LARGE_MAX:
                return False
            self._larges += 1
            self._large_bytes += size
        return True


class WriteTimeout:
    """The timeout of one connection. A writer that writes in pieces adds to `written`; times are seconds."""

    __slots__ = ("_loop", "_peer", "_taken_before", "_timeout_s", "_timer", "_transport", "written")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
        peer: TcpPeer | None = None,
    ) -> None:
        self._transport = transport
        self._peer = peer
        self._loop = loop
        self._timeout_s = timeout_s
        self._timer: asyncio.TimerHandle | None = None
        self._taken_before = 0
        self.written = 0

    @property
    def waiting(self) -> int:
        """Bytes in the transport's buffer."""
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Changes when the client reads. The bytes of a whole answer are not counted: only the change has a meaning."""
        return self.written - self.waiting

    @property
    def unacknowledged(self) -> int:
        """Bytes that wait here or in the kernel, which takes up to megabytes before any wait here."""
        return self.waiting + (self._peer.unacknowledged if self._peer is not None else 0)

    def start(self) -> None:
        """The answer has ended: cut the connection when its client takes nothing of the rest for `timeout_s`."""
        if self._timer is None and self.waiting:
            self._taken_before = self.taken
            self._timer = self._loop.call_later(self._timeout_s, self._check)

    def cancel(self) -> None:
        """The connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self.waiting and self.taken == self._taken_before:
            self._transport.abort()
        else:
            self.start()
