"""Reports the fill of the usage store in metrics, and logs before it is full: the oldest rows are then discarded."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from penstock_broker.stores.usage_storage import StorageState
from penstock_runtime.telemetry import names

EVERY_S = 30.0
FIRST_S = 1.0
NEARLY_FULL = 0.8
ROOM_AGAIN = 0.75
"""Lower than `NEARLY_FULL`, so that a store at the threshold is not logged again and again."""

log = structlog.get_logger("penstock.gateway")


class StorageMonitor:
    """`stored` reads the fill from the broker; None while it is unknown. `run` must be running."""

    def __init__(self, meter: Meter, stored: Callable[[], Awaitable[StorageState | None]]) -> None:
        self._stored = stored
        self._last: StorageState | None = None
        self._warned = False
        for name, description, observe in (
            (names.METRIC_USAGE_STORED, "Size of the stored usage records", self._observe_bytes),
            (
                names.METRIC_USAGE_STORED_MAX,
                "Bound of the store of usage records; the oldest are discarded first",
                self._observe_bytes_max,
            ),
        ):
            meter.create_observable_gauge(name, [observe], unit="By", description=description)

    async def run(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                self._check(await self._stored())
            except Exception:
                # The task's root: a broker error must not end it.
                log.exception("usage.stock_failed")
            await asyncio.sleep(EVERY_S)

    def _check(self, stored: StorageState | None) -> None:
        self._last = stored or self._last
        if stored is None:
            return
        if stored.fill >= NEARLY_FULL and not self._warned:
            self._warned = True
            log.warning("usage.nearly_full", rows=stored.rows, bytes=stored.bytes, bytes_max=stored.bytes_max)
        elif stored.fill < ROOM_AGAIN and self._warned:
            self._warned = False
            log.info("usage.has_room", rows=stored.rows, bytes=stored.bytes, bytes_max=stored.bytes_max)

    def _observe_bytes(self, _options: CallbackOptions) -> list[Observation]:
        return [] if self._last is None else [Observation(self._last.bytes)]

    def _observe_bytes_max(self, _options: CallbackOptions) -> list[Observation]:
        return [] if self._last is None or self._last.bytes_max is None else [Observation(self._last.bytes_max)]
