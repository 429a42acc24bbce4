"""Everything that counts what requests use, as one part of the gateway: built, started and ended together."""

import asyncio
import random

from penstock_broker.connection import Connection
from penstock_broker.stores.limits import LeaseRecordStore
from penstock_broker.stores.usage_storage import read_storage_state
from penstock_contract import subjects
from penstock_contract.catalogue import Resolution
from penstock_contract.request.operations import Operation
from penstock_contract.usage.record import UsageRow
from penstock_gateway.limits.limiter import Admission, Meter
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.request_context import Client
from penstock_gateway.streaming.stream import LiveStream
from penstock_gateway.telemetry.request_observer import Observer
from penstock_gateway.usage.orphans import Reaper
from penstock_gateway.usage.recorder import Books
from penstock_gateway.usage.storage_monitor import Stock
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.clock import Clock
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.telemetry.setup import Telemetry

NOT_QUEUED = frozenset({"queue_full", "request_too_large"})
"""How the broker refuses a request; after `broker_unavailable` it may have it."""


class Metering:
    """Make it before the connection starts. Whoever calls `start` calls `close`, after the last stream has ended.

    A request passes `admit`, `open` and `ended`, in this order; what `admit` gave belongs to its stream.
    """

    def __init__(
        self,
        connection: Connection,
        observer: Observer,
        telemetry: Telemetry,
        clock: Clock,
        settings: GatewaySettings,
        pause_detector: PauseDetector,
        *,
        gateway: str,
    ) -> None:
        self._observer = observer
        self._books = Books(connection, clock, gateway=gateway)
        admit_unknown = settings.without_limits == "admit"
        draw = random.SystemRandom().random
        self._meter = Meter(
            LeaseRecordStore(connection), clock, gateway=gateway, draw=draw, admit_unknown=admit_unknown
        )
        self._reaper = Reaper(connection, pause_detector, gateway=gateway)
        self._stock = Stock(telemetry.meter, lambda: read_storage_state(connection))
        self._tasks: list[asyncio.Task[None]] = []
        connection.listen(subjects.usage_filter(gateway), self._books.on_row)
        connection.listen(subjects.ALL_GATEWAY_HEARTBEATS, self._reaper.on_heartbeat)
        connection.on_connected(self._books.on_connected)
        connection.on_connected(self._reaper.on_connected)

    async def admit(self, client: Client, resolution: Resolution, operation: Operation) -> Admission | None:
        """Raises `rate_limit_exceeded`, `budget_exhausted` or `broker_unavailable`; says what is left in any case."""
        return await self._meter.admit(client.caller, resolution, operation, client.headers)

    async def open(self, stream: LiveStream, resolution: Resolution, operation: Operation, tenant: str) -> None:
        """Call right before the request is published, with no wait between them."""
        admission = stream.admission

        def closed(row: UsageRow) -> None:
            self._observer.request_closed(row, resolution)
            if isinstance(admission, Admission):
                admission.settle(row)

        await self._books.open(stream, resolution, operation, tenant, closed)

    def ended(self, stream: LiveStream) -> None:
        """The stream is over, whether its request was published or not."""
        has_row = self._books.ended(stream)
        refused = stream.error is not None and stream.error.code in NOT_QUEUED
        if isinstance(stream.admission, Admission):
            self._meter.leave(stream.admission, queued=has_row and not refused)

    def start(self) -> None:
        parts = (self._books.run(), self._meter.run(), self._reaper.run(), self._stock.run())
        self._tasks = [asyncio.create_task(part) for part in parts]

    async def close(self) -> None:
        await cancel_and_wait(*self._tasks)
        await self._books.close()
        await self._meter.close()
