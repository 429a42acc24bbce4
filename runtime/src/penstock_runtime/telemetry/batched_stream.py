"""A text stream whose lines are written by a thread, several at a time: a log line is a write to memory.

A write to a pipe wakes its reader for each line, and blocks the process while the reader does not read: of a gateway
that would be all streams. What a reader that stalls has not taken is bounded; lines beyond that are counted, and the
count is written when the reader goes on. At the end of the process the rest is written; a process that is killed loses
the lines of the last `EVERY_S`.
"""

import atexit
import threading
import time
from collections import deque
from typing import Final, TextIO

import msgspec

EVERY_S: Final = 0.05
LINES_MAX: Final = 10_000
CLOSE_S: Final = 1.0


class BatchedStream:
    """Has `write` and `flush` of a text stream. The thread starts with the first line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._texts: deque[str] = deque()
        self._dropped = 0
        self._arrived = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        if len(self._texts) >= LINES_MAX:
            self._dropped += 1
            return len(text)
        self._texts.append(text)
        if not self._arrived.is_set():
            self._arrived.set()
            if self._thread is None:
                self._start()
        return len(text)

    def flush(self) -> None:
        """Lines leave when the thread writes them."""

    def close(self) -> None:
        """Write the rest, for at most `CLOSE_S`."""
        self._closing.set()
        self._arrived.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._arrived.wait()
            self._closing.wait(EVERY_S)
            self._arrived.clear()
            self._write_out()
        self._write_out()

    def _write_out(self) -> None:
        # One by one: between two operations the other thread may append.
        texts = [self._texts.popleft() for _ in range(len(self._texts))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            texts.append(_lines_dropped(dropped))
        if texts:
            try:
                self._stream.write("".join(texts))
                self._stream.flush()
            except (OSError, ValueError):
                # The reader has gone, or the stream was closed: there is no place for logs any more.
                return


def _lines_dropped(lines: int) -> str:
    event = {"event": "log.lines_dropped", "level": "warning", "lines": lines, "unix_s": round(time.time(), 3)}
    return msgspec.json.encode(event).decode() + "\n"
