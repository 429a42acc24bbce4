"""What a connection's client has not read yet, and whether it reads at all.

A client reads when bytes leave for it, however few: how many wait says nothing, as a slow one may have much waiting for
long. (They leave in steps: the kernel asks for more when a third of its buffer is free.) Of a stream that runs the
supervisor judges that, with all else that time does to it; of what is left after an answer's end this does, since
nobody else is there any more.
"""

import asyncio

from penstock_gateway.server.peer import Peer

LARGE_MAX = 2
"""How many events above the bound may wait at once: a client gets time to read one while the next comes."""


class Room:
    """How much may wait for a client: `bytes_max`, and beside it a few events that are larger than that by themselves.

    Without these, one large event would cut a client that reads as fast as it can: it had no time to read it.
    """

    __slots__ = ("_large_bytes", "_larges", "bytes_max")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._larges = self._large_bytes = 0

    def admits(self, waiting: int, size: int) -> bool:
        """Whether `size` bytes may be added to `waiting`. Asked whenever bytes wait, or `size` is above the bound."""
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


class Unread:
    """Of one connection. `written` is added to by whoever writes in pieces; times are seconds."""

    __slots__ = ("_loop", "_peer", "_seen", "_timeout_s", "_timer", "_transport", "written")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float,
        peer: Peer | None = None,
    ) -> None:
        self._transport = transport
        self._peer = peer
        self._loop = loop
        self._timeout_s = timeout_s
        self._timer: asyncio.TimerHandle | None = None
        self._seen = 0
        self.written = 0

    @property
    def waiting(self) -> int:
        """Bytes."""
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Moves when the client reads. Of a whole answer, whose bytes nobody counts, only the moves mean something."""
        return self.written - self.waiting

    @property
    def unacknowledged(self) -> int:
        """Bytes that wait here or in the kernel, which takes up to megabytes before any wait here."""
        return self.waiting + (self._peer.unacknowledged if self._peer is not None else 0)

    def limit(self) -> None:
        """The answer is over: cut the connection when its client takes nothing of what is left for `timeout_s`."""
        if self._timer is None and self.waiting:
            self._seen = self.taken
            self._timer = self._loop.call_later(self._timeout_s, self._look)

    def forget(self) -> None:
        """The connection is no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self.waiting and self.taken == self._seen:
            self._transport.abort()
        else:
            self.limit()
