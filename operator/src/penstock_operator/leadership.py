"""Start, leadership, probes and shutdown of an operator process.

Start
    1. The probes answer, the broker connects, the catalogue is followed. A standby stays here, warm.
    2. The lease is won. From now on it is renewed, or the process ends at once with `LEASE_LOST`.
    3. kopf watches, and every kind is listed. Nothing is decided before all lists are complete, except in namespaces
       whose lists are refused: those are left alone until they can be listed.
    4. Every route, and every catalogue entry without a route, is reconciled; the autoscaler starts.

Shutdown, on SIGTERM or SIGINT, within three seconds
    1. The autoscaler and reconcile passes are cancelled: a pass may end anywhere, the next leader continues.
    2. The lease is released, so that the standby takes over within a second.
    3. kopf's thread is stopped, and not joined.
    4. The connections to the broker and the API server are closed, then the probes.
"""

import asyncio
import contextlib
import os
import signal
from typing import Final

import structlog
from msgspec import Struct

from penstock_broker.connection import Connection
from penstock_broker.keepalive import Keepalive
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_contract.errors import PenstockError
from penstock_operator.event_router import EventRouter
from penstock_operator.kube.credentials import ClusterCredentials
from penstock_operator.kube.election import Election, LeaseLost
from penstock_operator.kube.resources import Key
from penstock_operator.kube.transport import Transport
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.kube.watch.namespace_scope import NamespaceScope
from penstock_operator.kube.watch.resync import Resync
from penstock_operator.kube.watch.watcher import ClusterWatcher
from penstock_operator.leader_health import LeaderHealth
from penstock_operator.reconcile.reconciler import Reconciler
from penstock_operator.routes.publisher import CataloguePublisher
from penstock_operator.scaling.autoscaler import Autoscaler
from penstock_operator.work_queue import WorkQueue
from penstock_runtime.memory import garbage_collector
from penstock_runtime.probes import Probes

LEASE_LOST: Final = 3
"""Exit code of a leader that could not renew its lease in time."""
CLOSE_S: Final = 1.0
CATALOGUE_CHECK_S: Final = 1.0
"""Interval at which a missing catalogue is created, and a complete one marked."""
INCOMPLETE_S: Final = 3.0
"""How long a route whose reconciliation fails keeps the catalogue from being marked as complete."""
CATALOGUE_READ_S: Final = 1.0
"""How long a new leader waits for the broker to send the catalogue before it begins."""

log = structlog.get_logger("penstock.operator")


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of an operator process, as `wiring.build` returns them."""

    credentials: ClusterCredentials
    transport: Transport
    election: Election
    connection: Connection
    keepalive: Keepalive
    catalogue: CatalogueWatch
    publisher: CataloguePublisher
    cache: ClusterCache
    queue: WorkQueue[Key]
    events: EventRouter
    scope: NamespaceScope
    resync: Resync
    watcher: ClusterWatcher
    autoscaler: Autoscaler
    reconciler: Reconciler
    probes: Probes


class Operator:
    """Runs the parts of one process, first as a standby and then as the leader."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self) -> None:
        """Runs until SIGTERM or SIGINT. Raises the error that ended it; a lost lease ends the process immediately."""
        parts = self._parts
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await parts.credentials.load()
        await parts.probes.start()
        await parts.transport.open()
        # Does not wait: without the broker routes still become Deployments, and their status names what is missing.
        await parts.connection.start(wait=False)
        keepalive = asyncio.create_task(parts.keepalive.run())
        garbage_collector.freeze_startup_objects()
        leading = asyncio.create_task(self._lead())
        campaigning = asyncio.create_task(self._campaign())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({leading, campaigning, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            log.info("operator.stopping")
            failed = [task for task in (leading, campaigning) if task.done()]
            for task in (leading, campaigning, stopping, keepalive):
                task.cancel()
            await asyncio.wait({leading, campaigning, stopping, keepalive}, timeout=CLOSE_S)
            await parts.election.release()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await parts.catalogue.close()
                    await parts.connection.close()
                    await parts.transport.close()
                    await parts.probes.close()
        for task in failed:
            task.result()

    async def _campaign(self) -> None:
        try:
            await self._parts.election.run()
        except LeaseLost as lost:
            log.error("operator.lease_lost", detail=str(lost))  # noqa: TRY400 - the traceback adds nothing
            # At once: another process leads now, and every write of this one could undo one of its.
            os._exit(LEASE_LOST)

    async def _lead(self) -> None:
        parts = self._parts
        await parts.election.won.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(parts.watcher.run())
            group.create_task(parts.resync.run())
            group.create_task(self._ensure_catalogue())
            await parts.resync.done.wait()
            # Without the catalogue every route would be reported as unpublished. An unavailable broker is not waited
            # for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CATALOGUE_READ_S):
                    await parts.publisher.loaded.wait()
            log.info("operator.synced", routes=len(parts.cache.routes()))
            parts.events.queue_all()
            group.create_task(self._complete_catalogue())
            group.create_task(parts.queue.run(self._reconcile))
            group.create_task(parts.autoscaler.run())

    async def _reconcile(self, key: Key) -> None:
        # A key of a namespace that is not served is dropped: all its keys are added once it is.
        if not self._parts.resync.serves(key[0]):
            return
        if self._parts.scope.selects(key[0]):
            await self._parts.reconciler.reconcile(key)
        else:
            await self._parts.reconciler.release(key)

    async def _ensure_catalogue(self) -> None:
        """Repeats, as the broker may lose it: the first route may come days after the first gateway."""
        while True:
            with contextlib.suppress(PenstockError):
                await self._parts.publisher.ensure_catalogue()
            await asyncio.sleep(CATALOGUE_CHECK_S)

    async def _complete_catalogue(self) -> None:
        """Marks the catalogue as complete when each route was reconciled since the last (re)connect.

        Gateways need the mark to reject unknown models. A route that keeps failing delays it by `INCOMPLETE_S` only.
        """
        publisher, queue = self._parts.publisher, self._parts.queue
        waited_s = 0.0
        while True:
            await asyncio.sleep(CATALOGUE_CHECK_S)
            settled = publisher.loaded.is_set() and queue.idle
            if settled and (queue.failing == 0 or waited_s >= INCOMPLETE_S):
                waited_s = 0.0
                with contextlib.suppress(PenstockError):
                    await publisher.complete()
            else:
                waited_s += CATALOGUE_CHECK_S


class OperatorHealth:
    """Liveness and readiness, for the probes: each returns the reason of a failure, or None."""

    def __init__(self, election: Election, transport: Transport, watcher: ClusterWatcher, resync: Resync) -> None:
        self._election = election
        self._transport = transport
        self._watcher = watcher
        self._resync = resync

    def live(self) -> str | None:
        return (
            self._leader().liveness_failure(asyncio.get_running_loop().time()) if self._election.won.is_set() else None
        )

    def ready(self) -> str | None:
        if not self._election.won.is_set():
            # A standby that has seen another leader is as ready as it gets: a rollout must be able to finish.
            return None if self._election.standing_by else "no leader is known yet"
        return self._leader().readiness_failure(asyncio.get_running_loop().time())

    def _leader(self) -> LeaderHealth:
        missing = self._resync.missing
        return LeaderHealth(
            self._watcher.liveness,
            self._transport.answered_at,
            unlisted="" if self._resync.done.is_set() else missing,
            unserved="" if any(self._resync.served().values()) else missing,
        )
