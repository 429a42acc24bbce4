"""When each watch was heard last, and what follows from that. Pure: the time is handed in, in seconds.

A healthy watch is heard within `silence_s`, always: the API server ends it before that, and it is opened again. One
that is refused is heard too: the way to the API server is not what is broken.
"""

from collections.abc import Iterable
from typing import Final

Collection = tuple[str, str]
"""Namespace and plural."""

LATE: Final = 2
"""Silences after which a watch counts as late: the API server may be away."""
STUCK: Final = 3
"""Silences after which kopf, which should have opened the watch again, is itself started again."""
DEAD: Final = 8
"""Silences after which starting kopf again has not helped: it was done twice by then, with the pauses in between."""


class Hearing:
    def __init__(self, collections: Iterable[Collection], silence_s: float) -> None:
        self._collections = tuple(collections)
        self._silence_s = silence_s
        self._began = 0.0
        self._heard_at: dict[Collection, float] = {}

    def begin(self, now: float) -> None:
        """Starting kopf, or starting it again: it gets its time, and what was silent before goes on being silent."""
        self._began = now
        for collection in self._collections:
            self._heard_at.setdefault(collection, now)

    def heard(self, collection: Collection, now: float) -> None:
        self._heard_at[collection] = now

    def silent_s(self, now: float) -> float:
        """Since when the quietest watch has not been heard, however often kopf was started again meanwhile."""
        return max((now - at for at in self._heard_at.values()), default=0.0)

    def is_late(self, now: float) -> bool:
        return self.silent_s(now) > LATE * self._silence_s

    def is_stuck(self, now: float) -> bool:
        return min(self.silent_s(now), now - self._began) > STUCK * self._silence_s

    def is_dead(self, now: float) -> bool:
        return self.silent_s(now) > DEAD * self._silence_s
