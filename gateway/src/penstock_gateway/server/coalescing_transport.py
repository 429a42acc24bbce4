"""The transport of a client's connection as uvicorn has it: what is written in one iteration of the loop is one write.

uvicorn writes the head of a response, its body and its end in calls of their own.
"""

import asyncio
from typing import Any

from penstock_runtime.coalesced_writes import CoalescedWrites


class CoalescingTransport:
    """Has every method of the event loop's transport. What is held counts as buffered; `abort` drops it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.under = transport
        self.writes = CoalescedWrites(self._write_now)
        self.write = self.writes.write

    def get_write_buffer_size(self) -> int:
        return self.under.get_write_buffer_size() + self.writes.size

    def close(self) -> None:
        self.writes.flush()
        self.under.close()

    def abort(self) -> None:
        self.writes.discard()
        self.under.abort()

    def _write_now(self, data: bytes) -> None:
        # uvloop raises for a write after the end.
        if not self.under.is_closing():
            self.under.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.under, name)
