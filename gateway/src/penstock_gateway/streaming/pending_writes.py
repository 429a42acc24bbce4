"""Writes the texts of a batch, for `WRITING_S` at most in one iteration of the event loop.

A batch of a busy worker has the texts of 200 streams, which are 200 system calls. A client on the same machine may take
the processor at each of them: calls that need 5 ms of CPU took up to 150 ms, and requests that had arrived waited for
them (ADR 0020).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable

from penstock_gateway.streaming.stream import Stream

WRITING_S = 0.005
WRITES_PER_CHECK = 8
"""Streams that are written between two readings of the clock, and in the call that adds them."""


class PendingWrites:
    """The streams that have unwritten texts, oldest first. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[Stream] = deque()
        self._scheduled = False

    def add(self, streams: Iterable[Stream]) -> None:
        """Write the texts of `streams`: those of a few at once, others after the callbacks that are due already.

        The latter write the first tokens that were in the same batch.
        """
        self._waiting.extend(streams)
        if self._scheduled:
            return
        if len(self._waiting) <= WRITES_PER_CHECK:
            self._write()
        else:
            self._schedule()

    def _write(self) -> None:
        waiting, until = self._waiting, self._clock() + WRITING_S
        try:
            while waiting:
                for _ in range(min(len(waiting), WRITES_PER_CHECK)):
                    waiting.popleft().flush()
                if self._clock() > until:
                    break
        finally:
            # An error in one stream must not stop the others.
            self._scheduled = False
            if waiting:
                self._schedule()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._write)
