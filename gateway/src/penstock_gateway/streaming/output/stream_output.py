"""The output of one stream: rendered bytes go to a list until a writer is attached, then to that writer.

The texts of one batch are written in one call. Also detects a client that does not read, by the bytes that it takes.
"""

from typing import Protocol

from penstock_gateway.streaming.renderers.renderer import encode_json


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

    Times are event-loop times. Methods that write return False when the client has too much unread. `text_head` is set
    from one text to the next event of another kind: meanwhile `add_text` renders.
    """

    __slots__ = ("_pending", "_taken", "_text_tail", "_texts", "stalled_since", "text_head", "writer", "written_at")

    def __init__(self, now: float) -> None:
        self.writer: Writer | None = None
        self.written_at = now
        self.stalled_since: float | None = None
        self._pending: list[bytes] = []
        self._taken: int | None = None
        self.text_head: bytes | None = None
        self._text_tail = b""
        self._texts: list[bytes] = []

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

    def render_texts(self, around: tuple[bytes, bytes] | None) -> None:
        """From now on `add_text` renders texts by the bytes `around` them, if a client is attached."""
        if around is not None and self.writer is not None:
            self.text_head, self._text_tail = around

    def add_text(self, text: str) -> bool:
        """Keep a text for `flush`; True for the first one."""
        texts = self._texts
        texts.append(self.text_head + encode_json(text) + self._text_tail)  # type: ignore[operator]  # see render_texts
        return len(texts) == 1

    def flush(self, now: float) -> bool:
        """Write the texts of `add_text` in one call."""
        texts = self._texts
        if not texts:
            return True
        self._texts = []
        return self.write(texts[0] if len(texts) == 1 else b"".join(texts), now)

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
