"""What a gateway has of the places of an account: streams that may be open, shares of a queue. Numbers only."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from penstock_gateway.limits.meter_lease import RECHECK_S

QUEUE: Final = "queue."
"""How the name of a place in a route's queue begins."""
SPARE = 64
"""At most this part of a limit's places is in one gateway's hand without being taken."""


class Places:
    """By name: of what is granted some are taken, others are waited for. Times are event-loop times."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._granted: Counter[str] = Counter()
        self._free: dict[str, int] = {}
        self._wanted: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._refused_until: dict[str, float] = {}

    def wait(self, places: Sequence[str]) -> None:
        self._waiting.update(places)

    def wait_no_more(self, places: Sequence[str]) -> None:
        self._waiting.subtract(places)

    def take(self, places: Sequence[str]) -> None:
        self._taken.update(places)

    def vacate(self, places: Sequence[str]) -> None:
        self._taken.subtract(places)
        for place in places:
            self._refused_until.pop(place, None)

    def lacking(self, places: Iterable[str]) -> str | None:
        """The first that is not free here."""
        return next((place for place in places if self._taken[place] >= self._granted[place]), None)

    def refused(self, place: str, now: float | None = None) -> bool:
        """Whether the last exchange gave too few of them; with `now`, only if that was a moment ago."""
        return place in self._refused_until if now is None else now < self._refused_until.get(place, 0.0)

    def forget_refusals(self) -> None:
        self._refused_until.clear()

    @property
    def held(self) -> bool:
        return any(self._granted.values()) or any(self._taken.values())

    def idle(self, limits: Mapping[str, int]) -> bool:
        """Whether more is granted than is of use."""
        return any(
            granted - self._taken[place] > 2 * _spare(limits.get(place, 0), self._taken[place])
            for place, granted in self._granted.items()
        )

    def scarce(self, places: Iterable[str], limits: Mapping[str, int]) -> bool:
        """Whether somebody else may soon need one of these: half of them were not free when we last heard."""
        return any(2 * self._free.get(place, 0) <= limits.get(place, 0) for place in places)

    def claim(self, limits: Mapping[str, int]) -> dict[str, int]:
        """What is asked for now. Until the answer no more is taken than what that leaves us for sure."""
        self._wanted = self._taken + self._waiting
        asked = Counter({place: count + _spare(limits.get(place, 0), count) for place, count in self._wanted.items()})
        self._granted &= asked
        return dict(asked)

    def apply(self, granted: Mapping[str, int], free: Mapping[str, int], now: float) -> None:
        self._granted, self._free = Counter(granted), dict(free)
        for place, count in granted.items():
            if count < self._wanted[place]:
                self._refused_until[place] = now + RECHECK_S


def _spare(limit: int, count: int) -> int:
    """Places to have in hand, so that not each request waits for the broker: only of a limit that is far away."""
    return min(1 + count // 4, limit // SPARE) if 0 < 2 * count < limit else 0
