"""Composition root of an operator process, and the order in which it begins and ends.

Start
    1. Probes answer, the broker is being connected to, the catalogue is followed. A standby stays here, warm.
    2. The lease is won. From here on it is renewed, or the process ends at once with `LEASE_LOST`.
    3. kopf watches; every kind is listed. Nothing is decided before all lists are in, but for namespaces that refuse
       theirs: those are left alone until they can be listed.
    4. Every route, and every entry of the catalogue without one, is looked at; the autoscaler begins.

Shutdown, on SIGTERM or SIGINT, within three seconds
    1. The autoscaler and what is being reconciled are cancelled: a pass may end anywhere, the next leader goes on.
    2. The lease is given back, so that the standby takes over within a second.
    3. kopf's thread is told, and not waited for.
    4. The connections to the broker and the API server are closed, then the probes.
"""

import asyncio
import contextlib
import gc
import os
import random
import secrets
import signal
import socket
from collections.abc import Mapping
from typing import Final

import structlog

from penstock_broker import advisories, queue_state
from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_broker.keepalive import Keepalive
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_contract import subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.status import LastDecision
from penstock_operator.kube.cache import Body, Key, World
from penstock_operator.kube.client import Cluster, ClusterCredentials
from penstock_operator.kube.election import Election, LeaseLost
from penstock_operator.kube.event_recorder import Recorder
from penstock_operator.kube.resources import Resource
from penstock_operator.kube.resync import Sync
from penstock_operator.kube.watcher import Watching
from penstock_operator.metrics import Metrics
from penstock_operator.nats.worker_secrets import WorkerSecrets
from penstock_operator.probe import Leader
from penstock_operator.reconcile.manifests import WorkerDefaults
from penstock_operator.reconcile.reconciler import Reconciler
from penstock_operator.routes.publisher import Publications
from penstock_operator.routes.registry import Register
from penstock_operator.scaling.autoscaler import Autoscaler, Outlets
from penstock_operator.scaling.worker_heartbeats import Fleet
from penstock_operator.settings import OperatorSettings
from penstock_operator.work_queue import WorkQueue
from penstock_runtime import probes
from penstock_runtime.clock import Clock
from penstock_runtime.telemetry.setup import Telemetry

LEASE_LOST: Final = 3
"""Exit code of a leader that could not renew its lease in time."""
CLOSE_S: Final = 1.0
PROVIDE_S: Final = 1.0
"""Between two looks whether the broker has a catalogue, by what is known of it."""
INCOMPLETE_S: Final = 3.0
"""How long a route whose reconciliation fails keeps the catalogue from being marked as complete."""
CATALOGUE_S: Final = 1.0
"""What the broker is given to tell what is published, before a leader begins."""

log = structlog.get_logger("penstock.operator")


class Operator:
    def __init__(
        self, settings: OperatorSettings, environ: Mapping[str, str], telemetry: Telemetry, clock: Clock
    ) -> None:
        me = settings.identity or f"{socket.gethostname()}-{secrets.token_hex(4)}"
        draw = random.SystemRandom().random
        namespaces = settings.namespace_list
        self._settings = settings
        self._namespaces = frozenset(namespaces)
        self._metrics = Metrics(telemetry.meter)
        self._world = World()
        self._credentials = ClusterCredentials(environ)
        self._cluster = Cluster(self._credentials, ended=self._metrics.api_call, may_write=self._may_write)
        self._election = Election(self._cluster, settings, clock, me=me, transitioned=self._metrics.lease_transitioned)
        self._connection = Connection(
            settings.nats_url,
            f"operator-{me}",
            inbox_prefix=subjects.OPERATOR_INBOX,
            credentials=settings.nats_credentials,
        )
        self._publications = Publications(
            ControlPlane(
                self._connection,
                storage=settings.jetstream_storage,
                replicas=settings.jetstream_replicas,
                usage=settings.usage_bounds,
            )
        )
        # JetStream's advisory says at once that the bucket is gone, and can be lost; the watch finds it out in seconds.
        self._catalogue = CatalogueWatch(
            self._connection, replace=self._on_catalogue, put=self._on_entry, deleted=self._on_catalogue_deleted
        )
        self._connection.on_connected(self._on_connected)
        advisories.listen(
            self._connection, queue_deleted=self._on_queue_missing, catalogue_deleted=self._on_catalogue_deleted
        )
        self._register = Register(self._publications.entry)
        self._queue: WorkQueue[Key] = WorkQueue(self._reconcile, concurrency=settings.reconcile_concurrency, draw=draw)
        self._keepalive = Keepalive(self._connection)
        self._fleet = Fleet(
            self._connection,
            clock,
            self._keepalive.pause_detector,
            activated=self._on_activated,
            changed=self._on_workers,
        )
        self._autoscaler = Autoscaler(
            self._cluster,
            self._fleet,
            lambda key: queue_state.read(self._connection, *key),
            self._world,
            self._served,
            Outlets(
                changed=self._queue.add,
                decided=self._on_decided,
                queue_missing=self._on_queue_missing,
            ),
            clock,
            draw=draw,
        )
        self._reconciler = Reconciler(
            self._cluster,
            self._world,
            self._register,
            self._publications,
            self._autoscaler,
            Recorder(self._cluster, clock, me=me),
            self._metrics,
            WorkerDefaults(
                image=settings.worker_image,
                nats_url=settings.worker_nats_url or settings.nats_url,
                allowed_addresses=settings.worker_allowed_addresses,
                image_pull_policy=settings.worker_image_pull_policy,
                image_pull_secrets=tuple(settings.worker_image_pull_secret_list),
                environment=settings.worker_environment,
                resources=settings.worker_resources_spec,
                signing_key=settings.signing_key,
                nats_secret=settings.worker_nats_secret,
                run_as_user=settings.worker_run_as_user,
                run_as_group=settings.worker_run_as_group,
            ),
            WorkerSecrets(self._cluster, clock),
            clock,
            again=self._queue.add_after,
        )
        self._sync = Sync(
            self._cluster,
            self._world,
            namespaces,
            touched=self._on_touched,
            whole=self._queue_namespace,
            resync_s=settings.resync_s,
            draw=draw,
        )
        self._watching = Watching(
            self._credentials,
            namespaces,
            silence_s=settings.watch_silence_s,
            observe=self._on_event,
            listed=self._sync.listed,
            refused=self._sync.refused,
            ended=self._metrics.api_call,
            restarted=self._metrics.watch_restarted,
        )
        self._probes = probes.Probes(
            settings.probe_host,
            settings.probe_port,
            live=self._live,
            ready=self._ready,
            metrics=probes.prometheus,
        )
        self._metrics.queue_depth = lambda: self._queue.depth
        self._metrics.leading = self._election.leading
        self._metrics.demand = self._autoscaler.demand
        self._metrics.namespaces = self._sync.served

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises what ended it otherwise; a lost lease ends the process right here."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self._credentials.load()
        await self._probes.start()
        await self._cluster.open()
        # Not waited for: without the broker routes still become Deployments, and their status says what is missing.
        await self._connection.start(wait=False)
        keepalive = asyncio.create_task(self._keepalive.run())
        # What lives now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
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
            await self._election.release()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._catalogue.close()
                    await self._connection.close()
                    await self._cluster.close()
                    await self._probes.close()
        for task in failed:
            task.result()

    async def _campaign(self) -> None:
        try:
            await self._election.run()
        except LeaseLost as lost:
            log.error("operator.lease_lost", detail=str(lost))  # noqa: TRY400 - it is the whole story
            # At once: somebody else leads now, and every write of ours could undo one of theirs.
            os._exit(LEASE_LOST)

    async def _lead(self) -> None:
        await self._election.won.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watching.run())
            group.create_task(self._sync.run())
            group.create_task(self._provide_catalogue())
            await self._sync.done.wait()
            # What is not known to be published would be said to be missing. A broker that is away is not waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CATALOGUE_S):
                    await self._publications.loaded.wait()
            log.info("operator.synced", routes=len(self._world.routes()))
            self._queue_all()
            group.create_task(self._complete_catalogue())
            group.create_task(self._queue.run())
            group.create_task(self._autoscaler.run())

    async def _provide_catalogue(self) -> None:
        """Asked again and again, as the broker may forget: the first route may come days after the first gateway."""
        while True:
            with contextlib.suppress(PenstockError):
                await self._publications.provide()
            await asyncio.sleep(PROVIDE_S)

    async def _complete_catalogue(self) -> None:
        """Mark the catalogue as complete when each route was reconciled since the (re)connect.

        A route whose reconciliation fails again and again does not keep the gateways from knowing what does not exist.
        """
        waited_s = 0.0
        while True:
            await asyncio.sleep(PROVIDE_S)
            settled = self._publications.loaded.is_set() and self._queue.idle
            if settled and (self._queue.failing == 0 or waited_s >= INCOMPLETE_S):
                waited_s = 0.0
                with contextlib.suppress(PenstockError):
                    await self._publications.complete()
            else:
                waited_s += PROVIDE_S

    # What was made before the part that it speaks to

    def _may_write(self) -> bool:
        return self._election.leading()

    def _served(self, key: Key) -> ModelRouteSpec | None:
        return self._register.served(key) if self._sync.serves(key[0]) else None

    async def _reconcile(self, key: Key) -> None:
        # Dropped otherwise: all keys of a namespace are added when it is served.
        if self._sync.serves(key[0]):
            await self._reconciler.reconcile(key)

    async def _on_decided(self, key: Key, decision: LastDecision) -> None:
        await self._reconciler.decided(key, decision)

    def _on_activated(self, key: Key) -> None:
        self._autoscaler.activated(key)

    def _on_workers(self, key: Key) -> None:
        self._autoscaler.touched(key)

    # What the API server says

    def _on_event(self, resource: Resource, body: Body, deleted: bool) -> None:
        for key in self._world.observe(resource, body, deleted=deleted):
            self._on_touched(key)

    def _on_touched(self, key: Key) -> None:
        # At once and for all routes: who may have a name cannot be said before every route was read.
        self._register.take_in(key, self._world.routes().get(key))
        self._queue.add(key)

    # What the broker says

    async def _on_connected(self) -> None:
        self._publications.reconnected()
        self._queue_all()

    def _on_catalogue(self, entries: dict[str, CatalogueEntry]) -> None:
        self._publications.replace(entries)
        self._queue_all()

    def _on_entry(self, name: str, entry: CatalogueEntry | None) -> None:
        if self._publications.put(name, entry):
            namespace, _, route = name.partition(".")
            self._queue.add((namespace, route))

    def _on_catalogue_deleted(self) -> None:
        for name in self._publications.names():
            self._publications.doubt(name)
        self._publications.reconnected()
        self._queue_all()

    def _on_queue_missing(self, key: Key) -> None:
        if key[0] in self._namespaces:
            self._publications.doubt(f"{key[0]}.{key[1]}")
            self._queue.add(key)

    def _queue_all(self) -> None:
        """Every route, and what the catalogue still has of routes that went while nobody looked."""
        for namespace in self._namespaces:
            self._queue_namespace(namespace)

    def _queue_namespace(self, namespace: str) -> None:
        for key in self._world.routes():
            if key[0] == namespace:
                self._queue.add(key)
        for name in self._publications.names():
            its_namespace, _, route = name.partition(".")
            if its_namespace == namespace:
                self._queue.add((namespace, route))

    # What the probes say

    def _live(self) -> str | None:
        return self._leader().dead(asyncio.get_running_loop().time()) if self._election.won.is_set() else None

    def _ready(self) -> str | None:
        if not self._election.won.is_set():
            # A standby that knows who leads is as ready as it gets: a rollout has to be able to finish.
            return None if self._election.standing_by else "nobody is known to lead yet"
        return self._leader().unready(asyncio.get_running_loop().time())

    def _leader(self) -> Leader:
        served = any(self._sync.served().values())
        return Leader(
            self._watching.hearing,
            self._cluster.answered_at,
            unlisted="" if self._sync.done.is_set() else self._sync.missing,
            unserved="" if served else self._sync.missing,
        )
