"""A worker process: builds its parts, starts them, and shuts down.

After a `Drain` the worker stops pulling, finishes its streams and stays idle and not ready until it is ended or
receives a `Resume`. Shutdown, on SIGTERM, in order:
    1. Stop pulling, and publish `draining` in the heartbeat. A later delivery is returned to the queue.
    2. Wait for the open streams, at most `shutdown_grace_s`.
    3. Publish the last frames, then close the connection.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog

from penstock_broker.connection import Connection
from penstock_broker.keepalive import Keepalive
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_broker.stores.streams import KeptFrameWriter
from penstock_broker.stores.usage import UsageWriter
from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import ErrorDetail
from penstock_runtime.cancellation import cancel_and_wait
from penstock_worker.background_tasks import BackgroundTasks
from penstock_worker.control_messages import Controls
from penstock_worker.gateway_monitor import GatewayMonitor
from penstock_worker.heartbeats import Heartbeats
from penstock_worker.intake import Intake
from penstock_worker.served_route import ServedRoute
from penstock_worker.sessions.checkpoints import write_checkpoints
from penstock_worker.sessions.context import WorkerContext
from penstock_worker.sessions.factory import SessionFactory
from penstock_worker.sessions.frame_batcher import FrameBatcher
from penstock_worker.sessions.kept_frames import KeptFrames
from penstock_worker.sessions.registry import SessionRegistry
from penstock_worker.settings import WorkerSettings
from penstock_worker.slots import Slots

TICK_S = 0.25
USAGE_DRAIN_S = 5.0

log = structlog.get_logger("penstock.worker")


class Worker:
    """One per process; made inside the running event loop."""

    def __init__(
        self, settings: WorkerSettings, connection: Connection, context: WorkerContext, environ: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._context = context
        self._stop_requested = asyncio.Event()
        background = BackgroundTasks()
        self._route = route = ServedRoute(settings, environ, context.clock)
        self._sessions = sessions = SessionRegistry(replay_kept_s=settings.replay_kept_s)
        self._slots = slots = Slots(route, sessions)
        self._keepalive = Keepalive(connection)
        self._gateways = GatewayMonitor(
            connection, context.worker, route.name, sessions, self._keepalive.pause_detector, background
        )
        self._batcher = FrameBatcher(
            context.worker, connection.publish, context.sockets.block, on_broken=sessions.end_broken
        )
        self._usage = UsageWriter(connection)
        factory = SessionFactory(
            context, route.name, self._batcher, self._usage, replay_bytes_max=settings.replay_bytes_max
        )
        writer = KeptFrameWriter(connection, *route.name, worker=context.worker)
        self._kept = KeptFrames(writer, bytes_max=settings.kept_bytes_max)
        self._intake = Intake(connection, factory, route, sessions, slots, self._gateways, self._kept, background)
        self._heartbeats = Heartbeats(connection, context, route, sessions, slots, background)
        self._controls = Controls(sessions, slots, self._intake, self._heartbeats, self._gateways, self._kept)
        self._watch = CatalogueWatch(connection, replace=self._on_catalogue, put=self._on_entry)
        connection.on_connected(self._on_connected)

    async def run(self) -> None:
        """Serve until `stop` is called, then finish the open streams."""
        name, route = self._context.worker, self._route.name
        self._connection.listen(subjects.control_all(*route), self._controls.on_message)
        self._connection.listen(subjects.control(*route, name), self._controls.on_message)
        self._connection.listen(subjects.ALL_GATEWAY_HEARTBEATS, self._gateways.on_heartbeat)
        # Without waiting: a worker that cannot reach the broker must still end on SIGTERM.
        await self._connection.start(wait=False)
        background: list[Coroutine[Any, Any, None]] = [
            self._batcher.run(),
            self._usage.run(),
            self._kept.run(),
            self._intake.run(),
            self._keepalive.run(),
            self._heartbeats.run(),
            write_checkpoints(name, route, self._sessions, self._usage),
            self._ticks(),
        ]
        tasks = [asyncio.create_task(work) for work in background]
        log.info("worker.serving", worker=name, route=".".join(route))
        await self._stop_requested.wait()
        await self._shut_down()
        await self._usage.drained(USAGE_DRAIN_S)
        await self._kept.drained(USAGE_DRAIN_S)
        await cancel_and_wait(*tasks)
        await self._batcher.flush()
        await self._watch.close()
        await self._connection.close()

    def stop(self) -> None:
        """Begin the shutdown; cannot be undone."""
        self._slots.close()
        self._stop_requested.set()

    def why_not_ready(self) -> str | None:
        """None while this worker can serve requests."""
        if self._slots.draining:
            return "draining"
        if not self._connection.connected:
            return "the message broker is unavailable"
        if self._route.version is None:
            return "the route is not in the catalogue"
        return None

    async def _shut_down(self) -> None:
        sessions = self._sessions
        log.info("worker.draining", in_flight=len(sessions), stopping=True)
        await self._intake.stop()
        await self._heartbeats.publish()
        if sessions:
            await asyncio.wait(sessions.tasks, timeout=self._settings.shutdown_grace_s)
        for session in sessions:
            session.end(ErrorDetail("worker_lost", "the worker was stopped before the end of the answer"))
            sessions.cancel(session)
        if sessions:
            await asyncio.wait(sessions.tasks)

    async def _on_connected(self) -> None:
        now = asyncio.get_running_loop().time()
        self._intake.reset()
        self._gateways.rebase(now)
        # Frames published while disconnected are lost, and the gateways may have attached before the reconnect.
        self._sessions.repeat_last(now)

    def _on_catalogue(self, entries: dict[str, CatalogueEntry]) -> None:
        self._update_route(entries.get(self._route.catalogue_key))

    def _on_entry(self, key: str, entry: CatalogueEntry | None) -> None:
        if key == self._route.catalogue_key:
            self._update_route(entry)

    def _update_route(self, entry: CatalogueEntry | None) -> None:
        if self._route.update(entry):
            self._intake.slots_changed()
            # Immediately: without a known slot, a gateway requests more workers from the operator.
            self._heartbeats.publish_soon()

    async def _ticks(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            self._sessions.check_time(now)
            self._gateways.check(now)
