"""Time since each watch last received something, and what follows from it. Pure: the time is an argument, in seconds.

A healthy watch receives something at least every `silence_s`: the API server ends it before that, and kopf opens it
again. A refused watch counts as alive: the connection to the API server works.
"""

from collections.abc import Iterable
from typing import Final

from penstock_operator.kube.resources import Collection

LATE: Final = 2
"""Silences after which a watch counts as late: the API server may be unavailable."""
STUCK: Final = 3
"""Silences after which kopf, which should have opened the watch again, is restarted."""
UNRECOVERED: Final = 8
"""Silences after which restarts of kopf have not helped: two have happened by then, with the pauses in between."""


class WatchLiveness:
    def __init__(self, collections: Iterable[Collection], silence_s: float) -> None:
        self._collections = tuple(collections)
        self._silence_s = silence_s
        self._began = 0.0
        self._received_at: dict[Collection, float] = {}

    def begin(self, now: float) -> None:
        """Call when kopf starts or restarts: it gets its time, and a silent watch stays silent."""
        self._began = now
        for collection in self._collections:
            self._received_at.setdefault(collection, now)

    def record(self, collection: Collection, now: float) -> None:
        self._received_at[collection] = now

    def silent_s(self, now: float) -> float:
        """Silence of the quietest watch, regardless of restarts of kopf."""
        return max((now - at for at in self._received_at.values()), default=0.0)

    def is_late(self, now: float) -> bool:
        return self.silent_s(now) > LATE * self._silence_s

    def is_stuck(self, now: float) -> bool:
        return min(self.silent_s(now), now - self._began) > STUCK * self._silence_s

    def is_unrecovered(self, now: float) -> bool:
        return self.silent_s(now) > UNRECOVERED * self._silence_s
