"""When to tell of a trouble that is met again several times a second: at once, and then once in a while."""

from typing import Final

AGAIN_S: Final = 60.0
KINDS_MAX: Final = 16
"""More at a time are not told apart from new ones."""


class LogThrottle:
    """By their text; `now` is event-loop time."""

    def __init__(self) -> None:
        self._told_at: dict[str, float] = {}
        self._times: dict[str, int] = {}

    def due(self, what: str, now: float) -> int | None:
        """How often it was met since it was last told, this time included; None while it is not to be told again."""
        self._times[what] = self._times.get(what, 0) + 1
        if what in self._told_at and now - self._told_at[what] < AGAIN_S:
            return None
        if len(self._told_at) >= KINDS_MAX:
            self._told_at.clear()
            self._times = {what: self._times[what]}
        self._told_at[what] = now
        return self._times.pop(what)

    def reset(self) -> None:
        """The next one is new."""
        self._told_at.clear()
        self._times.clear()
