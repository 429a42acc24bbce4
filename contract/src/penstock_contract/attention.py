"""How long another process has been silent, in time that we were there to hear it.

Who was not given the processor, or whose machine stood still, finds its timers late and the heartbeats still unread
behind them: it must not take its own absence for the death of others. Knows no clock and no broker.
"""

from collections import deque
from typing import Final

LATE_S: Final = 0.5
"""A look that is later than this is an absence; less is the usual jitter of a busy loop."""
REMEMBERED_S: Final = 120.0
"""Longer than any silence that ends something."""


class Attention:
    """`look` is called every `every_s`; all times are of one monotonic clock."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._looked_at: float | None = None
        self._absences: deque[tuple[float, float]] = deque()

    def look(self, now: float) -> None:
        """We are here. What this call is late we were not."""
        due_at = now if self._looked_at is None else self._looked_at + self._every_s
        self._looked_at = now
        if now - due_at > LATE_S:
            self._absences.append((due_at, now))
        while self._absences and now - self._absences[0][1] > REMEMBERED_S:
            self._absences.popleft()

    def passed_s(self, since: float, now: float) -> float:
        """Seconds from `since` to `now` without our absences."""
        return now - since - sum(max(0.0, until - max(began, since)) for began, until in self._absences)
