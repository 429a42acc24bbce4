"""The concurrency slots of one owner in this gateway: open streams, and shares of a route's queue. Numbers only."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from penstock_gateway.limits.meter_lease import RECHECK_S

QUEUE: Final = "queue."
"""The prefix of the name of a slot in a route's queue."""
SPARE = 64
"""At most this fraction of a limit's slots is leased by one gateway without being taken."""


class ConcurrencySlots:
    """Counters by slot name. Of the granted slots some are taken; requests may wait for more.

    Times are event-loop times.
    """

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._most: Counter[str] = Counter()
        """The most that were taken at one time since the last claim, of those that were freed since."""
        self._granted: Counter[str] = Counter()
        self._free: dict[str, int] = {}
        self._wanted: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._rejected_until: dict[str, float] = {}

    def wait(self, slots: Sequence[str]) -> None:
        for slot in slots:  # `Counter.update` costs three times as much for one or two
            self._waiting[slot] += 1

    def stop_waiting(self, slots: Sequence[str]) -> None:
        for slot in slots:
            self._waiting[slot] -= 1

    def take(self, slots: Sequence[str]) -> None:
        for slot in slots:
            self._taken[slot] += 1

    def free(self, slots: Sequence[str]) -> None:
        for slot in slots:
            self._most[slot] = max(self._most[slot], self._taken[slot])
            self._taken[slot] -= 1
            self._rejected_until.pop(slot, None)

    def lacking(self, slots: Iterable[str]) -> str | None:
        """The first slot that is not free in this gateway."""
        for slot in slots:
            if self._taken[slot] >= self._granted[slot]:
                return slot
        return None

    def rejected(self, slot: str, now: float | None = None) -> bool:
        """True if the last synchronisation granted too few; with `now`, only if that was less than `RECHECK_S` ago."""
        return slot in self._rejected_until if now is None else now < self._rejected_until.get(slot, 0.0)

    def clear_rejections(self) -> None:
        self._rejected_until.clear()

    @property
    def held(self) -> bool:
        return any(self._granted.values()) or any(self._taken.values())

    def idle(self, limits: Mapping[str, int]) -> bool:
        """True if more slots are granted than this gateway uses."""
        return any(
            granted - self._taken[slot] > 2 * _spare(limits.get(slot, 0), self._taken[slot])
            for slot, granted in self._granted.items()
        )

    def scarce(self, slots: Iterable[str], limits: Mapping[str, int]) -> bool:
        """True if another gateway may soon need one: at the last synchronisation half of them were not free."""
        return any(2 * self._free.get(slot, 0) <= limits.get(slot, 0) for slot in slots)

    def claim(self, limits: Mapping[str, int]) -> dict[str, int]:
        """The slots to request now. Until the answer, no more are taken than the request is certain to keep."""
        self._wanted = wanted = self._taken + self._waiting
        requested = wanted.copy()
        for slot, most in (wanted | self._most).items():
            if not self.scarce((slot,), limits):
                requested[slot] += _spare(limits.get(slot, 0), most)
        self._most.clear()
        self._granted &= requested
        return dict(requested)

    def apply(self, granted: Mapping[str, int], free: Mapping[str, int], now: float) -> None:
        self._granted, self._free = Counter(granted), dict(free)
        for slot, count in granted.items():
            if count < self._wanted[slot]:
                self._rejected_until[slot] = now + RECHECK_S


def _spare(limit: int, count: int) -> int:
    """Spare slots of `count` that are in use or were, so that not every request waits for the broker.

    Only while the limit is far away.
    """
    return min(1 + count // 4, limit // SPARE) if 0 < 2 * count < limit else 0
