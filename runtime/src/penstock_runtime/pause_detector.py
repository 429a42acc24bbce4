"""Measures how long a peer has been silent, in the time in which this process could receive.

A process that got no processor, a silent link and a silent broker look alike from inside: nothing arrives. A process
therefore sends the broker a PING each second (`broker.keepalive`) and counts a peer's silence only in the time in
which the answers came back. Must not depend on a clock or a broker.
"""

from collections import deque
from typing import Final

LATE_S: Final = 0.5
"""An answer that is later than this begins an absence; less is the usual jitter of a busy loop."""
REMEMBERED_S: Final = 120.0
"""Longer than any silence that ends something."""


class PauseDetector:
    """`record_answer` is called with every answer, expected every `every_s`; all times are of one monotonic clock."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._looked_at: float | None = None
        self._absences: deque[tuple[float, float]] = deque()

    def record_answer(self, now: float) -> None:
        """Note an answer. The time by which it is late is an absence."""
        due_at = now if self._looked_at is None else self._looked_at + self._every_s
        self._looked_at = now
        if now - due_at > LATE_S:
            self._absences.append((due_at, now))
        while self._absences and now - self._absences[0][1] > REMEMBERED_S:
            self._absences.popleft()

    def paused_since(self, now: float) -> float | None:
        """Since when the next answer has been late; None if it is not, and before the first."""
        if self._looked_at is None:
            return None
        late_at = self._looked_at + self._every_s + LATE_S
        return late_at if now > late_at else None

    def elapsed_s(self, since: float, now: float) -> float:
        """Seconds from `since` to `now` without the absences, the present one included. 0 before the first answer."""
        if self._looked_at is None:
            return 0.0
        until = min(now, self._looked_at + self._every_s + LATE_S)
        return max(0.0, until - since - sum(max(0.0, end - max(began, since)) for began, end in self._absences))
