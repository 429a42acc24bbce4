"""Reads the fleet when a client requests it: reports of all gateways, the routes' queues, heartbeats, usage records.

Nothing runs in between. Concurrent requests share one reading, and a reading is at least `FRESH_S` old
before the next one begins.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from penstock_broker import queue_state
from penstock_broker.connection import Connection
from penstock_broker.queue_state import QueueState, QueueUnavailable
from penstock_contract import codec, subjects
from penstock_contract.catalogue import Catalogue, CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_contract.fleet.gateway_report import GatewayReport
from penstock_contract.fleet.view import Fleet
from penstock_contract.stream.frames import WorkerHeartbeat
from penstock_gateway.fleet.composition import FleetReadings, compose
from penstock_gateway.fleet.output_rate import OutputRates
from penstock_gateway.fleet.spending import SpendingReader
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.clock import Clock

FRESH_S: Final = 0.3
FIRST_SAMPLE_S: Final = 1.0
"""A rate needs two samples: the first reading after a while takes this long."""
ANSWER_S: Final = 1.0
AT_ONCE: Final = 32
"""Requests to the broker at the same time."""

log = structlog.get_logger("penstock.gateway")


class FleetObserver:
    """`report` makes this gateway's report; `heartbeats` and `gateways` are the workers and gateways that are alive.

    Call `close` at the end.
    """

    def __init__(
        self,
        connection: Connection,
        report: Callable[[], Awaitable[GatewayReport]],
        spending: SpendingReader,
        catalogue: Catalogue,
        clock: Clock,
        *,
        gateway: str,
        gateways: Callable[[], list[str]],
        heartbeats: Callable[[], list[tuple[str, WorkerHeartbeat]]],
    ) -> None:
        self._connection = connection
        self._report = report
        self._spending = spending
        self._catalogue = catalogue
        self._clock = clock
        self._gateway = gateway
        self._gateways = gateways
        self._heartbeats = heartbeats
        self._rates = OutputRates()
        self._reading: asyncio.Task[Fleet] | None = None
        self._read_at = float("-inf")

    async def fleet(self) -> Fleet:
        now = asyncio.get_running_loop().time()
        done = self._reading is None or self._reading.done()
        failed = done and self._reading is not None and self._reading.exception() is not None
        if self._reading is None or failed or (done and now - self._read_at >= FRESH_S):
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    async def close(self) -> None:
        if self._reading is not None:
            await cancel_and_wait(self._reading)
        await self._spending.close()

    async def _read(self) -> Fleet:
        loop = asyncio.get_running_loop()
        if not self._rates.is_known(self._gateway, loop.time()):
            self._rates.add(await self._reports(), loop.time())
            await asyncio.sleep(FIRST_SAMPLE_S)
        entries = self._catalogue.entries
        reports, queues, spending = await asyncio.gather(self._reports(), self._queues(entries), self._spending.last())
        self._rates.add(reports, loop.time())
        read = FleetReadings(
            at=self._clock.unix(),
            broker_connected=self._connection.connected,
            gateways=self._gateways(),
            reports=reports,
            entries=entries,
            heartbeats=self._heartbeats(),
            queues=queues,
            spending=spending,
        )
        self._read_at = loop.time()
        return compose(read, self._rates.per_second)

    async def _reports(self) -> list[GatewayReport]:
        """This gateway's report first; without those that do not reply in time."""
        limit = asyncio.Semaphore(AT_ONCE)
        others = [gateway for gateway in self._gateways() if gateway != self._gateway]
        own, *replies = await asyncio.gather(self._report(), *(self._report_of(gateway, limit) for gateway in others))
        assert own is not None
        return [own, *(reply for reply in replies if reply is not None)]

    async def _report_of(self, gateway: str, limit: asyncio.Semaphore) -> GatewayReport | None:
        async with limit:
            try:
                reply = await self._connection.request_one(subjects.gateway_report(gateway), b"", timeout_s=ANSWER_S)
            except PenstockError:
                return None
        if reply is None:
            return None
        try:
            report = codec.decode_gateway_report(reply)
        except msgspec.DecodeError:
            log.warning("fleet.report_unreadable", gateway=gateway, bytes=len(reply))
            return None
        return report if report.gateway == gateway else None

    async def _queues(self, entries: list[CatalogueEntry]) -> dict[str, QueueState]:
        """Without the queues whose state is unknown."""
        limit = asyncio.Semaphore(AT_ONCE)
        read = await asyncio.gather(*(self._queue(entry, limit) for entry in entries))
        return {entry.key: state for entry, state in zip(entries, read, strict=True) if state is not None}

    async def _queue(self, entry: CatalogueEntry, limit: asyncio.Semaphore) -> QueueState | None:
        async with limit:
            try:
                return await queue_state.read(self._connection, entry.namespace, entry.name, timeout_s=ANSWER_S)
            except QueueUnavailable:
                return None
