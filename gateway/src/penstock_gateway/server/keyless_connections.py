"""The connections that can be closed to make room: no request runs on them, and none had a valid key.

One list for all connections of a listener. The connection that has been idle longest is closed first: a client that
holds many keyless connections loses its own, and a new client is served.
"""

from collections.abc import Hashable
from typing import Protocol

import structlog

LOG_EVERY_S = 60.0

log = structlog.get_logger("penstock.gateway")


class Evictable(Hashable, Protocol):
    def evict(self) -> None:
        """Close the connection; no request runs on it."""
        ...


class KeylessConnections:
    """Times are event-loop times."""

    def __init__(self) -> None:
        self._idle: dict[Evictable, None] = {}  # in the order in which they became idle
        self._logged_at: float | None = None
        self._evicted = self._rejected = 0

    def add(self, connection: Evictable) -> None:
        self._idle[connection] = None

    def discard(self, connection: Evictable) -> None:
        self._idle.pop(connection, None)

    def make_room(self, newest: Evictable) -> bool:
        """Close the connection that has been idle longest, other than `newest`. False if there is none."""
        for connection in self._idle:
            if connection is not newest:
                break
        else:
            return False
        del self._idle[connection]
        self._evicted += 1
        connection.evict()
        return True

    def count_rejected(self) -> None:
        self._rejected += 1

    def log_full(self, now: float, *, open_: int, most: int) -> None:
        """Log once a minute while the listener is full, with the counts since the last line."""
        if self._logged_at is not None and now - self._logged_at < LOG_EVERY_S:
            return
        self._logged_at = now
        log.warning(
            "gateway.connections_full", open=open_, max=most, keyless_closed=self._evicted, refused=self._rejected
        )
        self._evicted = self._rejected = 0
