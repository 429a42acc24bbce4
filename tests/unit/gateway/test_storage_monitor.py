"""The fill of the usage store has a metric, and a log line when the store is nearly full."""

import asyncio
import re
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from unit.support.virtual_time import virtual_time

from penstock_broker.stores.usage_storage import StorageState
from penstock_gateway.usage.storage_monitor import EVERY_S, FIRST_S, StorageMonitor
from penstock_runtime.telemetry import names


class Shelf:
    """A broker with a number of bytes out of 100, or None; and the gateway's metrics of it."""

    def __init__(self, *filled: int | Exception | None, bytes_max: int | None = 100) -> None:
        self._filled = list(filled)
        self._bytes_max = bytes_max
        self._reader = InMemoryMetricReader()
        self._stock = StorageMonitor(MeterProvider([self._reader]).get_meter("test"), self.stored)

    async def stored(self) -> StorageState | None:
        filled = self._filled.pop(0)
        if isinstance(filled, Exception):
            raise filled
        return None if filled is None else StorageState(3, filled, self._bytes_max)

    async def looked_at(self) -> None:
        """Checks as often as there are values."""
        task = asyncio.create_task(self._stock.run())
        await asyncio.sleep(FIRST_S + EVERY_S * (len(self._filled) - 0.5))
        task.cancel()
        await asyncio.wait([task])
        assert not self._filled

    def metrics(self) -> dict[str, Any]:
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        return {metric.name: metric.data.data_points[0].value for metric in metrics}  # type: ignore[union-attr]


def events(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return re.findall(r"\] (usage\.\w+)", capsys.readouterr().out)


@virtual_time
async def test_storage_monitor_reports_bytes_and_their_limit() -> None:
    shelf = Shelf(40, 41)
    assert shelf.metrics() == {}
    await shelf.looked_at()
    assert shelf.metrics() == {names.METRIC_USAGE_STORED: 41, names.METRIC_USAGE_STORED_MAX: 100}


@virtual_time
async def test_storage_monitor_never_reports_an_unlimited_store_as_full() -> None:
    shelf = Shelf(10**9, bytes_max=None)
    await shelf.looked_at()
    assert shelf.metrics() == {names.METRIC_USAGE_STORED: 10**9}


@virtual_time
async def test_storage_monitor_reports_the_last_value_while_the_broker_is_unavailable() -> None:
    shelf = Shelf(40, None)
    await shelf.looked_at()
    assert shelf.metrics()[names.METRIC_USAGE_STORED] == 40


def test_storage_monitor_logs_once_when_nearly_full_and_once_when_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    virtual_time(Shelf(79, 80, 81, 79, 80, 74, 80).looked_at)()
    assert events(capsys) == ["usage.nearly_full", "usage.has_room", "usage.nearly_full"]


def test_storage_monitor_continues_after_a_failed_check(capsys: pytest.CaptureFixture[str]) -> None:
    shelf = Shelf(ValueError("no"), 90)
    virtual_time(shelf.looked_at)()
    assert events(capsys) == ["usage.stock_failed", "usage.nearly_full"]
