"""The output of one stream: rendered bytes go to a list until a writer is attached, then to that writer.

Also detects a client that does not read, by the bytes that it takes.
"""

from typing import Protocol


class Writer(Protocol):
    """The client's side of a stream."""

    def write(self, data: bytes) -> bool:
        """False when the client has too much unread: nothing was written."""
        ...

    @property
    def taken(self) -> int | None:
        """Bytes that the client has taken, as far as the gateway can see; None when none wait for it."""
        ...


class StreamOutput:
    """`written_at` is the time of the last write, `stalled_since` that since when the client has taken nothing.

    Times are event-loop times. Methods that write return False when the client has too much unread.
    """

    __slots__ = ("_pending", "_taken", "stalled_since", "writer", "written_at")

    def __init__(self, now: float) -> None:
        self.writer: Writer | None = None
        self.written_at = now
        self.stalled_since: float | None = None
        self._pending: list[bytes] = []
        self._taken: int | None = None

    def attach(self, writer: Writer, now: float) -> bool:
        """Write the pending bytes to `writer`, and from now on everything."""
        self.writer = writer
        if not self._pending:
            return True
        pending, self._pending = b"".join(self._pending), []
        return self.write(pending, now)

    def write(self, data: bytes, now: float) -> bool:
        if self.writer is None:
            self._pending.append(data)
            return True
        self.written_at = now
        return self.writer.write(data)

    def ping(self, data: bytes, now: float) -> None:
        """Write a keep-alive, if a writer is attached."""
        self.written_at = now
        if self.writer is not None:
            self.writer.write(data)

    def check_client(self, now: float) -> None:
        """Note if the client reads: any byte counts, because a slow client may have much waiting for long."""
        taken = self.writer.taken if self.writer is not None else None
        if taken is None:
            self.stalled_since = None
        elif self.stalled_since is None or taken != self._taken:
            self.stalled_since = now
        self._taken = taken
