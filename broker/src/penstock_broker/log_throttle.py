"""Limits the rate of repeated log messages: the first is logged at once, later ones at most once a minute."""

from typing import Final

AGAIN_S: Final = 60.0
KINDS_MAX: Final = 16
"""Distinct messages that are tracked; with more, all count as new."""


class LogThrottle:
    """Messages are distinguished by their text; `now` is event-loop time."""

    def __init__(self) -> None:
        self._logged_at: dict[str, float] = {}
        self._times: dict[str, int] = {}

    def due(self, what: str, now: float) -> int | None:
        """Count an occurrence. Returns the occurrences since the last log message, or None if none is due."""
        self._times[what] = self._times.get(what, 0) + 1
        if what in self._logged_at and now - self._logged_at[what] < AGAIN_S:
            return None
        if len(self._logged_at) >= KINDS_MAX:
            self._logged_at.clear()
            self._times = {what: self._times[what]}
        self._logged_at[what] = now
        return self._times.pop(what)

    def reset(self) -> None:
        """Log the next occurrence of each at once."""
        self._logged_at.clear()
        self._times.clear()
