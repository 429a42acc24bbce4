"""Cost of the keys today: read on request, seldom where a reading takes long, and shown until the next one."""

import asyncio
from collections.abc import AsyncIterator

from unit.support.virtual_time import LoopClock, virtual_time

from penstock_broker.errors import broker_unavailable
from penstock_contract.limits.api_keys import KeyRecord
from penstock_contract.usage.record import UsageRow
from penstock_gateway.fleet.spending import AGE_S, DAY_S, PAUSE, SpendingReader, midnight


def row(id_: str, key: str, cost: str, started_at: float, route: str = "team.chat") -> UsageRow:
    return UsageRow(
        id=id_, key=key, route=route, model="m", gateway="gw", started_at=started_at, cost=cost, ended="stop"
    )


class Records:
    """The stored rows; a reading takes `reading_s`, and fails while the broker is away."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.rows: list[UsageRow] = []
        self.reading_s = 0.0
        self.readings = 0
        self.away = False
        self.reader = SpendingReader(self._rows, self._keys, self.clock)

    @property
    def today(self) -> int:
        return midnight(self.clock.unix())

    async def _rows(self, _since: float) -> AsyncIterator[UsageRow]:
        self.readings += 1
        await asyncio.sleep(self.reading_s)
        for one in self.rows:
            yield one

    async def _keys(self) -> list[KeyRecord]:
        if self.away:
            raise broker_unavailable()
        return []


@virtual_time
async def test_spending_sums_todays_rows_exactly_by_key_and_route() -> None:
    records = Records()
    records.rows = [
        row("1", "key_a", "0.1", records.today),
        row("2", "key_a", "0.2", records.today + 1, "team.other"),
        row("3", "key_b", "0.000000000001", records.today + 2),
        row("4", "key_b", "99", records.today - 1),
    ]
    spent = await records.reader.last()
    assert [(one.key, one.requests, one.cost) for one in spent.today.keys] == [
        ("key_a", 2, "0.3"),
        ("key_b", 1, "0.000000000001"),
    ]
    assert (spent.today.total, spent.today.complete) == ("0.300000000001", True)
    assert {route: [one.cost for one in keys] for route, keys in spent.routes.items()} == {
        "team.chat": ["0.1", "0.000000000001"],
        "team.other": ["0.2"],
    }


@virtual_time
async def test_spending_is_read_again_when_it_is_old() -> None:
    records = Records()
    await records.reader.last()
    await records.reader.last()
    assert records.readings == 1
    await asyncio.sleep(AGE_S)
    records.rows = [row("1", "key_a", "1", records.today)]
    assert (await records.reader.last()).today.total == "1"
    assert records.readings == 2


@virtual_time
async def test_spending_that_takes_long_is_shown_while_it_is_read_and_read_seldom() -> None:
    records = Records()
    records.reading_s = 10.0
    assert (await records.reader.last()).today.complete
    records.rows = [row("1", "key_a", "1", records.today)]
    await asyncio.sleep(PAUSE * 10.0 - 1)
    await records.reader.last()
    assert records.readings == 1
    await asyncio.sleep(1)
    assert (await records.reader.last()).today.total == "0"
    await asyncio.sleep(10)
    assert (await records.reader.last()).today.total == "1"
    assert records.readings == 2
    await records.reader.close()


@virtual_time
async def test_spending_without_the_broker_shows_the_last_sums_as_incomplete() -> None:
    records = Records()
    records.rows = [row("1", "key_a", "1", records.today)]
    await records.reader.last()
    records.away = True
    await asyncio.sleep(AGE_S)
    spent = await records.reader.last()
    assert (spent.today.total, spent.today.complete) == ("1", False)
    assert (await Records().reader.last()).today.complete


@virtual_time
async def test_spending_begins_anew_at_midnight() -> None:
    records = Records()
    records.rows = [row("1", "key_a", "1", records.today)]
    await records.reader.last()
    await asyncio.sleep(records.today + DAY_S - records.clock.unix())
    spent = await records.reader.last()
    assert (spent.today.since, spent.today.total, spent.today.keys) == (records.today, "0", [])
