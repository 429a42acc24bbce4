"""What a connection's client has not read yet, and whether it reads at all.

A client reads when bytes leave for it, however few: how many wait says nothing, as a slow one may have much waiting for
long. (They leave in steps: the kernel asks for more when a third of its buffer is free.) Of a stream that runs the
supervisor judges that, with all else that time does to it; of what is left after an answer's end this does, since
nobody else is there any more.
"""

import asyncio


class Unread:
    """Of one connection. `written` is added to by whoever writes in pieces; times are seconds."""

    __slots__ = ("_loop", "_seen", "_timeout_s", "_timer", "_transport", "written")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self._transport = transport
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
