"""The clock as a parameter: tests pass a manual one."""

import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds for measuring durations in one process."""

    def unix(self) -> float:
        """Seconds since 1970, for times that other machines read."""


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def unix(self) -> float:
        return time.time()


class ManualClock:
    """Advances only by `advance`; shipped for tests."""

    def __init__(self, unix: float = 1_700_000_000.0) -> None:
        self._monotonic = 0.0
        self._unix = unix

    def monotonic(self) -> float:
        return self._monotonic

    def unix(self) -> float:
        return self._unix

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self._unix += seconds
