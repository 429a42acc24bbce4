"""The fleet is read when a client requests it, and once for concurrent requests."""

import asyncio
from collections.abc import AsyncIterator

from unit.support.virtual_time import LoopClock, virtual_time

from penstock_broker.connection import Connection
from penstock_contract import subjects
from penstock_contract.catalogue import Catalogue
from penstock_contract.fleet.gateway_report import GatewayReport, RouteCounts
from penstock_contract.limits.api_keys import KeyRecord
from penstock_contract.usage.record import UsageRow
from penstock_gateway.fleet.observer import FIRST_SAMPLE_S, FRESH_S, FleetObserver
from penstock_gateway.fleet.spending import SpendingReader


class Installation:
    """One gateway without a broker, which produces 100 tokens in a second."""

    def __init__(self) -> None:
        connection = Connection("nats://127.0.0.1:1", "gw-1", inbox_prefix=subjects.GATEWAY_INBOX)
        clock = LoopClock()
        self.reports = 0
        self.fails = False
        self.observer = FleetObserver(
            connection,
            self._report,
            SpendingReader(self._rows, self._keys, clock),
            Catalogue(),
            clock,
            gateway="gw-1",
            gateways=lambda: ["gw-1", "gw-2"],
            heartbeats=list,
        )

    async def _report(self) -> GatewayReport:
        if self.fails:
            raise RuntimeError("a broken registry")
        self.reports += 1
        tokens = int(100 * asyncio.get_running_loop().time())
        return GatewayReport(gateway="gw-1", version="1", routes=[RouteCounts(route="a.b", output_tokens=tokens)])

    async def _rows(self, _since: float) -> AsyncIterator[UsageRow]:
        for row in ():
            yield row

    async def _keys(self) -> list[KeyRecord]:
        return []


@virtual_time
async def test_fleet_observer_measures_a_rate_at_its_first_reading() -> None:
    installation = Installation()
    began = asyncio.get_running_loop().time()
    fleet = await installation.observer.fleet()
    assert fleet.routes[0].fleet.output_tokens_per_second == 100.0
    assert asyncio.get_running_loop().time() - began == FIRST_SAMPLE_S
    assert installation.reports == 2
    await asyncio.sleep(2)
    assert (await installation.observer.fleet()).routes[0].fleet.output_tokens_per_second == 100.0
    assert installation.reports == 3


@virtual_time
async def test_fleet_observer_shares_a_reading_between_clients() -> None:
    installation = Installation()
    found = await asyncio.gather(*(installation.observer.fleet() for _ in range(20)))
    assert all(one is found[0] for one in found)
    assert await installation.observer.fleet() is found[0]
    await asyncio.sleep(2 * FRESH_S)
    assert await installation.observer.fleet() is not found[0]


@virtual_time
async def test_fleet_observer_goes_on_when_a_client_leaves() -> None:
    installation = Installation()
    leaving, staying = (asyncio.create_task(installation.observer.fleet()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).gateway == "gw-1"


@virtual_time
async def test_fleet_observer_reads_again_after_a_failure() -> None:
    installation = Installation()
    installation.fails = True
    failed = await asyncio.gather(installation.observer.fleet(), return_exceptions=True)
    assert isinstance(failed[0], RuntimeError)
    installation.fails = False
    assert (await installation.observer.fleet()).gateway == "gw-1"


@virtual_time
async def test_fleet_observer_without_the_broker_names_what_is_missing() -> None:
    fleet = await Installation().observer.fleet()
    assert fleet.broker_connected is False
    assert [(one.gateway, one.reports) for one in fleet.gateways] == [("gw-1", True), ("gw-2", False)]


@virtual_time
async def test_fleet_observer_closes_while_it_reads() -> None:
    installation = Installation()
    await installation.observer.close()
    reading = asyncio.create_task(installation.observer.fleet())
    await asyncio.sleep(0)
    await installation.observer.close()
    assert isinstance((await asyncio.gather(reading, return_exceptions=True))[0], asyncio.CancelledError)
