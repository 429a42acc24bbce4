"""Tokens per second from the counts of the last reports: nothing is counted while no client reads the fleet. Pure."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from penstock_contract.fleet.gateway_report import GatewayReport

WINDOW_S: Final = 10.0
"""A rate is the increase over at most this time."""
STALE_S: Final = 15.0
SAMPLE_S: Final = 0.25
"""Samples that are closer to each other are one: several clients may read the fleet."""

Tokens = Mapping[str, int]


class OutputRate:
    """The tokens of each route at one gateway. Times are event-loop times."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Tokens]] = deque()

    def add(self, tokens: Tokens, now: float) -> None:
        if self._samples and now - self._samples[-1][0] > STALE_S:
            self._samples.clear()
        if len(self._samples) > 1 and now - self._samples[-2][0] < SAMPLE_S:
            self._samples.pop()
        self._samples.append((now, tokens))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW_S:
            self._samples.popleft()

    def is_known(self, now: float) -> bool:
        """Return whether one more sample gives a rate."""
        return bool(self._samples) and now - self._samples[-1][0] <= STALE_S

    def per_second(self, route: str) -> float:
        """0 with a single sample. An estimate of an open stream may exceed its final count: never negative."""
        if len(self._samples) < 2:
            return 0.0
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        increase = last.get(route, 0) - first.get(route, 0)
        return max(0.0, increase / (ended - began)) if ended > began else 0.0


class OutputRates:
    """One `OutputRate` for each gateway that reports."""

    def __init__(self) -> None:
        self._gateways: dict[str, OutputRate] = {}

    def add(self, reports: list[GatewayReport], now: float) -> None:
        """A gateway that does not report is removed."""
        kept = {report.gateway: self._gateways.get(report.gateway) or OutputRate() for report in reports}
        for report in reports:
            tokens = {one.route: one.output_tokens + one.open_output_tokens for one in report.routes}
            kept[report.gateway].add(tokens, now)
        self._gateways = kept

    def is_known(self, gateway: str, now: float) -> bool:
        rate = self._gateways.get(gateway)
        return rate is not None and rate.is_known(now)

    def per_second(self, gateway: str, route: str) -> float:
        rate = self._gateways.get(gateway)
        return 0.0 if rate is None else rate.per_second(route)
