"""The table of injected faults and the alerts that fired at them and were resolved after them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from harness.processes import until
from harness.prometheus import Prometheus
from msgspec import Struct

SILENT_S = 2.0
MARGIN_S = 25.0
"""For processes on a busy machine: to notice the fault, and some scrapes."""


class AlertedFault(Struct, frozen=True):
    """`inject` makes the fault, `cure` ends it. `alerts` fire within the seconds given, and are resolved as soon."""

    name: str
    inject: Callable[[], Awaitable[None]]
    cure: Callable[[], Awaitable[None]]
    alerts: dict[str, float]


class AlertTable:
    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self._rows: list[tuple[str, str, float, float]] = []

    async def check(self, faults: Sequence[AlertedFault]) -> None:
        """Inject all faults, wait for every alert, cure all, and wait for the end of every alert."""
        injected: dict[str, float] = {}
        for fault in faults:
            injected[fault.name] = time.monotonic()
            await fault.inject()
        pairs = [(fault, alert) for fault in faults for alert in fault.alerts]
        fired = await asyncio.gather(*(self._waits(fault, alert, True) for fault, alert in pairs))
        cured: dict[str, float] = {}
        for fault in faults:
            cured[fault.name] = time.monotonic()
            await fault.cure()
        over = await asyncio.gather(*(self._waits(fault, alert, False) for fault, alert in pairs))
        for (fault, alert), fired_at, over_at in zip(pairs, fired, over, strict=True):
            self._rows.append((fault.name, alert, fired_at - injected[fault.name], over_at - cured[fault.name]))

    def text(self) -> str:
        """A line for each alert, with the seconds from its fault to it, and from the cure to its end."""
        head = f"{'fault':<50} {'alert':<26} {'fired':>7} {'resolved':>10}"
        rows = [f"{name:<50} {alert:<26} {fired:>5.1f} s {over:>8.1f} s" for name, alert, fired, over in self._rows]
        return "\n".join([head, *rows])

    async def _waits(self, fault: AlertedFault, alert: str, fires: bool) -> float:
        """The time at which it fired, or from which on it did not. One missed scrape is not the end of an alert."""
        since: float | None = None

        async def reached() -> bool:
            nonlocal since
            if (alert in await self._prometheus.firing()) is not fires:
                since = None
                return False
            since = since or time.monotonic()
            return fires or time.monotonic() - since > SILENT_S

        what = f"{alert} {'fires after' if fires else 'is resolved after the end of'}: {fault.name}"
        try:
            await until(reached, what, timeout_s=fault.alerts[alert] + MARGIN_S)
        except TimeoutError as error:
            raise AssertionError(f"{error}; there fire: {await self._prometheus.firing()}") from None
        assert since is not None
        return since
