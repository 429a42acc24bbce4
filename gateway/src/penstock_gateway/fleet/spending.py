"""Cost of each key today: sums of the usage records, read again while a client reads the fleet.

A reading takes longer the more requests the day had. The next one begins after at least `PAUSE` times the duration of
the last one: at most a twentieth of the time goes into it, however often the fleet is read.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from penstock_contract.errors import PenstockError
from penstock_contract.fleet.view import KeySpend, SpendToday
from penstock_contract.limits.api_keys import KeyRecord
from penstock_contract.usage.money import decimal, picos
from penstock_contract.usage.record import UsageRow
from penstock_contract.usage.report import UsageAggregator
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.clock import Clock

AGE_S: Final = 5.0
"""Sums that are younger are shown again."""
WAIT_S: Final = 0.5
PAUSE: Final = 20.0
DAY_S: Final = 86_400

log = structlog.get_logger("penstock.gateway")


class Spending(Struct, frozen=True):
    """The sums of one reading: over all routes, and of each route."""

    today: SpendToday
    routes: dict[str, list[KeySpend]]


class SpendingReader:
    """`rows(since)` are the usage records that were written since then, `keys` the keys of the store.

    `last` waits for a day's first reading, and for `WAIT_S` for each later one. Call `close` at the end.
    """

    def __init__(
        self,
        rows: Callable[[float], AsyncIterator[UsageRow]],
        keys: Callable[[], Awaitable[list[KeyRecord]]],
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._keys = keys
        self._clock = clock
        self._last = _nothing(0)
        self._next_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def last(self) -> Spending:
        """The sums of the last reading."""
        today = midnight(self._clock.unix())
        first = self._last.today.since != today
        if first or asyncio.get_running_loop().time() >= self._next_at:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read(today))
            # A short day is read at once; a long one is shown when it has been read.
            await asyncio.wait({self._reading}, timeout=None if first else WAIT_S)
        return self._last

    async def close(self) -> None:
        if self._reading is not None:
            await cancel_and_wait(self._reading)

    async def _read(self, since: int) -> None:
        loop = asyncio.get_running_loop()
        began, read_at = loop.time(), self._clock.unix()
        try:
            self._last = await self._sums(since, read_at)
        except PenstockError as error:
            log.info("fleet.usage_unavailable", code=error.detail.code)
            last = self._last if self._last.today.since == since else _nothing(since)
            self._last = replace(last, today=replace(last.today, complete=False))
        except Exception:
            # The task's root: it runs on without a reader.
            log.exception("fleet.usage_failed")
        finally:
            ended = loop.time()
            self._next_at = ended + max(AGE_S, PAUSE * (ended - began))

    async def _sums(self, since: int, read_at: float) -> Spending:
        names = {record.id: record.name for record in await self._keys()}
        keys, routes = UsageAggregator("key"), dict[str, UsageAggregator]()
        async for row in self._rows(since):
            if row.started_at >= since:
                keys.add(row)
                routes.setdefault(row.route, UsageAggregator("key")).add(row)
        spent = _spent(keys, names)
        total = sum_of(spent)
        today = SpendToday(since=since, read_at=read_at, complete=True, total=total, keys=spent)
        return Spending(today, {route: _spent(sums, names) for route, sums in routes.items()})


def midnight(now: float) -> int:
    """The last midnight in UTC."""
    return int(now) // DAY_S * DAY_S


def sum_of(spent: list[KeySpend]) -> str:
    return decimal(sum(picos(one.cost) for one in spent))


def _spent(sums: UsageAggregator, names: Mapping[str, str]) -> list[KeySpend]:
    """The largest first."""
    found = [
        KeySpend(key=one.of, name=names.get(one.of, ""), requests=one.requests, cost=one.cost) for one in sums.sums()
    ]
    return sorted(found, key=lambda one: (-picos(one.cost), -one.requests, one.key))


def _nothing(since: int) -> Spending:
    return Spending(SpendToday(since=since, read_at=0, complete=False, total="0", keys=[]), {})
