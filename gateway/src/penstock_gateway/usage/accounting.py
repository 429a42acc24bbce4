"""Limits and usage records as one part of the gateway: built, started and closed together."""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable

from penstock_broker.connection import Connection
from penstock_broker.stores.limits import LeaseRecordStore
from penstock_broker.stores.usage_storage import read_storage_state
from penstock_contract import subjects
from penstock_contract.catalogue import Resolution
from penstock_contract.request.operations import Operation
from penstock_contract.usage.record import UsageRow
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.limits.limiter import Limiter, add_headers
from penstock_gateway.limits.stream_charge import StreamCharge
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.telemetry.request_observer import RequestObserver
from penstock_gateway.telemetry.stream_record import StreamRecord
from penstock_gateway.usage.open_usage import Recorded
from penstock_gateway.usage.orphans import OrphanCloser
from penstock_gateway.usage.recorder import UsageRecorder
from penstock_gateway.usage.storage_monitor import StorageMonitor
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.clock import Clock
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.telemetry.setup import Telemetry

NOT_QUEUED = frozenset({"queue_full", "broker_full", "request_too_large"})
"""Errors with which the broker rejects a request; after `broker_unavailable` it may have it."""


class Accounting:
    """Create it before the connection starts. Call `close` after `start`, when the last stream has ended.

    A request passes `admit`, `open` and `end`, in this order; the charge belongs to its stream.
    """

    def __init__(
        self,
        connection: Connection,
        observer: RequestObserver,
        telemetry: Telemetry,
        clock: Clock,
        settings: GatewaySettings,
        pause_detector: PauseDetector,
        is_alive: Callable[[str, str], bool],
        *,
        gateway: str,
    ) -> None:
        self._observer = observer
        self._recorder = UsageRecorder(connection, clock, gateway=gateway)
        self._limiter = Limiter(
            LeaseRecordStore(connection),
            clock,
            gateway=gateway,
            draw=random.SystemRandom().random,
            admit_unknown=settings.without_limits == "admit",
        )
        self._orphans = OrphanCloser(connection, pause_detector, is_alive, gateway=gateway)
        self._storage = StorageMonitor(telemetry.meter, functools.partial(read_storage_state, connection))
        self._tasks: list[asyncio.Task[None]] = []
        connection.listen(subjects.usage_filter(gateway), self._recorder.on_row)
        connection.listen(subjects.ALL_GATEWAY_HEARTBEATS, self._orphans.on_heartbeat)
        connection.on_connected(self._recorder.on_connected)
        connection.on_connected(self._orphans.on_connected)

    def admit(
        self, context: RequestContext, resolution: Resolution, operation: Operation
    ) -> Awaitable[StreamCharge | None]:
        """Raises `rate_limit_exceeded`, `budget_exhausted` or `broker_unavailable`, with the rate-limit headers."""
        return self._limiter.admit(context.principal, resolution, operation, context.response_headers)

    def add_headers(self, context: RequestContext, charge: StreamCharge | None) -> None:
        """Add the rate-limit headers of an admitted request."""
        if charge is not None:
            add_headers(charge.leases, context.response_headers)

    def open(self, stream: Recorded, charge: StreamCharge | None, resolution: Resolution, operation: Operation) -> None:
        """Call immediately before the request is published."""

        def on_closed(row: UsageRow) -> None:
            self._observer.request_closed(row, resolution)
            if charge is not None:
                charge.record_final(row)

        self._recorder.open(stream, resolution, operation, on_closed)

    async def open_row(self, request_id: str) -> None:
        """Open the request's row unless there is one: call before its message is deleted from the queue."""
        await self._recorder.open_row(request_id)

    def end(self, stream: StreamRecord, charge: StreamCharge | None) -> None:
        """The stream has ended, published or not."""
        has_row = self._recorder.end(stream)
        rejected = stream.error is not None and stream.error.code in NOT_QUEUED
        if charge is not None:
            charge.close(queued=has_row and not rejected)

    def gateways(self) -> list[str]:
        """Every gateway that sends heartbeats."""
        return self._orphans.gateways()

    def start(self) -> None:
        parts = (self._recorder.run(), self._limiter.run(), self._orphans.run(), self._storage.run())
        self._tasks = [asyncio.create_task(part) for part in parts]

    async def close(self) -> None:
        await cancel_and_wait(*self._tasks)
        await self._recorder.close()
        await self._limiter.close()
