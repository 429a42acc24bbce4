"""Holds what is written to a connection until the next iteration of the event loop, and writes it in one call.

uvloop and asyncio write to the socket in each call of `write`. Each write wakes the peer, which may take the processor
from this process in the middle of its work, and is woken again for the next few bytes (ADR 0020 has measurements).
"""

import asyncio
from collections.abc import Callable

HELD_BYTES_MAX = 64 * 1024
"""More is passed on at once: joining it would cost more than a call."""


class CoalescedWrites:
    """The unsent bytes of one connection; `pass_on` writes them. Use it in the event loop's thread only."""

    __slots__ = ("_held", "_pass_on", "size")

    def __init__(self, pass_on: Callable[[bytes], None]) -> None:
        self._pass_on = pass_on
        self._held: list[bytes] = []
        self.size = 0
        """Bytes that are held."""

    def write(self, data: bytes) -> None:
        """Hold `data` until the next iteration of the event loop, or the next `flush`."""
        if not self._held:
            asyncio.get_running_loop().call_soon(self.flush)
        self._held.append(data)
        self.size += len(data)
        if self.size > HELD_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        """Pass on everything that is held, in order."""
        held = self._held
        if held:
            self._held, self.size = [], 0
            self._pass_on(held[0] if len(held) == 1 else b"".join(held))

    def discard(self) -> None:
        """Drop what is held: the connection has ended."""
        self._held, self.size = [], 0
