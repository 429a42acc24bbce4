"""Publishes this worker's heartbeat, and restarts the ack timers of its deliveries at the same rate."""

import asyncio

from penstock_broker.connection import Connection
from penstock_contract import codec, subjects
from penstock_contract.stream.frames import WorkerHeartbeat
from penstock_runtime.peer_liveness import HEARTBEAT_S
from penstock_worker import VERSION
from penstock_worker.background_tasks import BackgroundTasks
from penstock_worker.served_route import ServedRoute
from penstock_worker.sessions.context import WorkerContext
from penstock_worker.sessions.registry import SessionRegistry
from penstock_worker.slots import Slots


class Heartbeats:
    """Every `HEARTBEAT_S`, and immediately when the gateways or the operator wait for a change."""

    def __init__(
        self,
        connection: Connection,
        context: WorkerContext,
        route: ServedRoute,
        sessions: SessionRegistry,
        slots: Slots,
        background: BackgroundTasks,
    ) -> None:
        self._connection = connection
        self._context = context
        self._route = route
        self._sessions = sessions
        self._slots = slots
        self._background = background
        self._subject = subjects.worker_heartbeat(*route.name, context.worker)

    async def run(self) -> None:
        while True:
            self._route.recheck_refused_keys()
            await self.publish()
            for session in self._sessions:
                await session.extend_ack_wait()
            await asyncio.sleep(HEARTBEAT_S)

    async def publish(self) -> None:
        heartbeat = WorkerHeartbeat(
            self._context.worker,
            self._slots.total,
            self._slots.in_use,
            self._slots.draining,
            VERSION,
            self._context.incarnation,
            self._route.refusing_keys(),
        )
        await self._connection.publish(self._subject, codec.encode(heartbeat))

    def publish_soon(self) -> None:
        """Publish in a task of its own."""
        self._background.spawn(self.publish())
