"""Takes deliveries from the route's queue: each becomes a session, is acked again, or is returned to the queue."""

import asyncio
import contextlib

import msgspec
import structlog

from penstock_broker.connection import Connection
from penstock_broker.queue import Delivery, Puller
from penstock_contract import codec
from penstock_contract.errors import PenstockError
from penstock_worker.background_tasks import BackgroundTasks
from penstock_worker.gateway_monitor import GatewayMonitor
from penstock_worker.served_route import ServedRoute
from penstock_worker.sessions.factory import SessionFactory
from penstock_worker.sessions.kept_frames import KeptFrames
from penstock_worker.sessions.registry import SessionRegistry
from penstock_worker.sessions.session import Session
from penstock_worker.slots import Slots

log = structlog.get_logger("penstock.worker")


class Intake:
    """Pulls as many requests as there are free slots."""

    def __init__(
        self,
        connection: Connection,
        factory: SessionFactory,
        route: ServedRoute,
        sessions: SessionRegistry,
        slots: Slots,
        gateways: GatewayMonitor,
        kept: KeptFrames,
        background: BackgroundTasks,
    ) -> None:
        self._factory = factory
        self._route = route
        self._sessions = sessions
        self._slots = slots
        self._gateways = gateways
        self._kept = kept
        self._background = background
        self._puller = Puller(connection, *route.name, free_slots=slots.free, deliver=self._on_delivery)

    async def run(self) -> None:
        await self._puller.run()

    async def stop(self) -> None:
        """Stop pulling; a later delivery is returned to the queue."""
        await self._puller.stop()

    def reset(self) -> None:
        """Pull again on a new connection."""
        self._puller.reset()

    def slots_changed(self) -> None:
        self._puller.slots_changed()

    def _on_delivery(self, delivery: Delivery) -> None:
        try:
            request = codec.decode_request(delivery.data)
        except msgspec.DecodeError:
            log.warning("worker.request_unreadable")
            self._background.spawn(delivery.discard())
            return
        if (session := self._sessions.get(request.stream)) is not None:
            # Redelivered while the session is open: its +WPI was late, or its ack was lost. The session continues.
            if not session.waiting_for_ack:
                self._background.spawn(_ack_again(delivery))
            return
        if self._sessions.served(request.stream):
            # The ack was lost. A second generation would be paid for again.
            self._background.spawn(_ack_again(delivery))
            return
        version = self._route.version
        if version is None or self._slots.free() <= 0:
            self._background.spawn(delivery.release())
            return
        session = self._factory.session(request, delivery, version)
        self._kept.add(request, session.stream)
        self._sessions.add(session, asyncio.create_task(self._serve(session)))

    async def _serve(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        self._gateways.expect(session.request.gateway, loop.time())
        try:
            await session.run()
        finally:
            if session.served_elsewhere:
                self._kept.drop(session.request.stream)
            self._sessions.ended(session, loop.time())
            self._puller.slots_changed()


async def _ack_again(delivery: Delivery) -> None:
    """Ack once; if this ack is lost too, the message is delivered again."""
    with contextlib.suppress(PenstockError):
        await delivery.ack()
