"""The bytes of request bodies that a gateway holds at once, counted while they are read.

A body stays in memory until its response has ended: as bytes, decoded, and encoded for the broker. The number of
connections bounds it too loosely: 120 bodies of 6 MB fill 1 GiB. Must not depend on HTTP.
"""

from collections import defaultdict
from typing import Final

from penstock_contract.errors import PenstockError

MIB: Final = 1024 * 1024
PROCESS_BYTES: Final = 128 * MIB
"""A gateway without requests, and what its responses hold."""
COPIES: Final = 4
"""Copies of one body at the same time, at most: received, decoded, encoded, and in the broker connection's buffer."""
UNLIMITED_BYTES: Final = 4096 * MIB
"""Counts as the limit of a process without one."""
SMALL_BYTES: Final = 64 * 1024
"""Bodies up to this size may use all of the bound, larger ones `LARGE_PART` of it."""
LARGE_PART: Final = 7 / 8
ROUTE_PART: Final = 1 / 2
"""The part of one route, so that others' requests find room while its requests wait."""
RETRY_AFTER_S: Final = 1.0


def bound_within(memory_bytes: int | None, body_bytes_max: int) -> int:
    """The bound that fits into a memory limit. At least two of the largest bodies: else none would be served."""
    memory = UNLIMITED_BYTES if memory_bytes is None else min(memory_bytes, UNLIMITED_BYTES)
    return max((memory - PROCESS_BYTES) // COPIES, 2 * body_bytes_max)


class BodyMemory:
    """The bound of one gateway, `held` of which is used; `routes` are the parts of the routes."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.large_bytes_max = int(bytes_max * LARGE_PART)
        self.route_bytes_max = int(bytes_max * ROUTE_PART)
        self.held = 0
        self.routes: defaultdict[str, int] = defaultdict(int)


class BodyCharge:
    """The part of one request; `release` ends it."""

    __slots__ = ("_bytes", "_memory", "_route")

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._bytes = 0
        self._route: str | None = None

    def add(self, size: int) -> None:
        """Count a piece that was read. Raises `overloaded`; what was counted before stays until `release`."""
        memory = self._memory
        held, bytes_ = memory.held + size, self._bytes + size
        # A body alone always finds room: the bound is at least that of one body.
        if held > bytes_ and held > (memory.bytes_max if bytes_ <= SMALL_BYTES else memory.large_bytes_max):
            raise PenstockError(
                "overloaded",
                "the gateway holds as many bytes of requests as its memory allows: send the request again",
                retry_after_s=RETRY_AFTER_S,
            )
        memory.held, self._bytes = held, bytes_

    def assign(self, route: str) -> None:
        """Count the body for its route, which is known once it has been decoded. Raises `overloaded`."""
        if self._route is not None or not self._bytes:
            return
        routes = self._memory.routes
        held = routes.get(route, 0) + self._bytes
        if held > self._memory.route_bytes_max and held > self._bytes:
            raise PenstockError(
                "overloaded",
                "the open requests for this model hold their part of the gateway's memory: send the request again",
                retry_after_s=RETRY_AFTER_S,
            )
        routes[route] = held
        self._route = route

    def release(self) -> None:
        """The request has ended."""
        size, self._bytes = self._bytes, 0
        if not size:
            return
        memory = self._memory
        memory.held -= size
        if self._route is not None:
            left = memory.routes[self._route] - size
            if left:
                memory.routes[self._route] = left
            else:
                del memory.routes[self._route]
