"""Composition root: builds the parts of an operator process in order, each from the ones before it."""

import random
import secrets
import socket
from collections.abc import Mapping

from penstock_broker import advisories, queue_state
from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_broker.keepalive import Keepalive
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_contract import subjects
from penstock_operator.event_router import EventRouter
from penstock_operator.kube.client import ClusterClient, LeaseClient
from penstock_operator.kube.credentials import ClusterCredentials
from penstock_operator.kube.election import Election
from penstock_operator.kube.event_recorder import EventRecorder
from penstock_operator.kube.resources import Key
from penstock_operator.kube.transport import Transport
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.kube.watch.namespace_scope import NamespaceScope
from penstock_operator.kube.watch.resync import Resync
from penstock_operator.kube.watch.watcher import ClusterWatcher
from penstock_operator.leadership import OperatorHealth, Parts
from penstock_operator.metrics import Metrics, ObservedMetrics
from penstock_operator.nats.monitor import NatsMonitor
from penstock_operator.nats.worker_secrets import WorkerSecrets
from penstock_operator.nats_metrics import NatsMetrics
from penstock_operator.reconcile.owned_object import other_installation
from penstock_operator.reconcile.pod_template import WorkerDefaults
from penstock_operator.reconcile.reconciler import Reconciler
from penstock_operator.routes.publisher import CataloguePublisher
from penstock_operator.routes.registry import RouteRegistry
from penstock_operator.scaling.autoscaler import Autoscaler, ScalingListeners
from penstock_operator.scaling.decision import CHANGES
from penstock_operator.scaling.decision_recorder import DecisionRecorder
from penstock_operator.scaling.worker_heartbeats import WorkerHeartbeats
from penstock_operator.settings import OperatorSettings
from penstock_operator.work_queue import WorkQueue
from penstock_runtime import probes
from penstock_runtime.clock import Clock
from penstock_runtime.telemetry.setup import Telemetry


def build(settings: OperatorSettings, environ: Mapping[str, str], telemetry: Telemetry, clock: Clock) -> Parts:
    """Opens no connection; call in a running event loop."""
    identity = settings.identity or f"{socket.gethostname()}-{secrets.token_hex(4)}"
    draw = random.SystemRandom().random
    metrics = Metrics(telemetry.meter, CHANGES)

    credentials = ClusterCredentials(environ)
    transport = Transport(credentials, metrics.api_call)
    election = Election(
        LeaseClient(transport), settings.lease, clock, me=identity, transitioned=metrics.lease_transitioned
    )
    client = ClusterClient(transport, may_write=election.leading, namespace_selector=settings.namespace_selector)
    recorder = EventRecorder(client, clock, me=identity)

    connection = Connection(
        settings.nats_url,
        f"operator-{identity}",
        inbox_prefix=subjects.OPERATOR_INBOX,
        credentials=settings.nats_credentials,
    )
    publisher = CataloguePublisher(
        ControlPlane(
            connection,
            storage=settings.jetstream_storage,
            replicas=settings.jetstream_replicas,
            usage=settings.usage_bounds,
            queues_bytes_max=settings.queues_bytes_max,
        )
    )

    cache = ClusterCache()
    scope = NamespaceScope(settings.namespace_list, cache, selector=settings.namespace_selector)
    registry = RouteRegistry(publisher.entry, settings.claim_rules)
    queue: WorkQueue[Key] = WorkQueue("reconcile", concurrency=settings.reconcile_concurrency, draw=draw)
    events = EventRouter(scope, cache, registry, publisher, queue)
    # JetStream's advisory reports a deleted bucket at once, but may be lost; the watch notices it within seconds.
    catalogue = CatalogueWatch(
        connection, replace=events.catalogue_read, put=events.entry_changed, deleted=events.catalogue_deleted
    )
    connection.on_connected(events.broker_connected)
    advisories.listen(connection, queue_deleted=events.queue_missing, catalogue_deleted=events.catalogue_deleted)
    keepalive = Keepalive(connection)
    heartbeats = WorkerHeartbeats(connection, clock, keepalive.pause_detector)

    resync = Resync(
        client,
        cache,
        scope,
        touched=events.route_changed,
        whole=events.queue_namespace,
        resync_s=settings.resync_s,
        draw=draw,
    )
    watcher = ClusterWatcher(
        credentials,
        scope,
        silence_s=settings.watch_silence_s,
        observe=events.object_changed,
        listed=resync.listed,
        refused=resync.refused,
        ended=metrics.api_call,
        restarted=metrics.watch_restarted,
    )
    autoscaler = Autoscaler(
        client,
        heartbeats,
        lambda key: queue_state.read(connection, *key),
        cache,
        lambda key: (
            registry.served(key)
            if resync.serves(key[0]) and not other_installation(cache.snapshot(key).deployment, settings.installation)
            else None
        ),
        ScalingListeners(
            changed=queue.add,
            decided=DecisionRecorder(cache, recorder, metrics).record,
            queue_missing=events.queue_missing,
        ),
        clock,
        draw=draw,
    )
    heartbeats.subscribe(activated=autoscaler.activated, changed=autoscaler.touched)
    reconciler = Reconciler(
        client,
        cache,
        registry,
        publisher,
        autoscaler,
        recorder,
        metrics,
        _worker_defaults(settings),
        WorkerSecrets(client, clock),
        clock,
        again=queue.add_after,
    )
    health = OperatorHealth(election, transport, watcher, resync)
    ObservedMetrics(
        telemetry.meter,
        queue_depth=lambda: queue.depth,
        leading=election.leading,
        demand=autoscaler.demand,
        namespaces=resync.served,
        connected=lambda: connection.connected,
    )
    monitor = NatsMonitor(settings.nats_monitor_list, clock.monotonic)
    NatsMetrics(telemetry.meter, lambda: monitor.read() if election.leading() else {})
    return Parts(
        credentials=credentials,
        transport=transport,
        election=election,
        connection=connection,
        keepalive=keepalive,
        catalogue=catalogue,
        publisher=publisher,
        cache=cache,
        queue=queue,
        scope=scope,
        events=events,
        resync=resync,
        watcher=watcher,
        autoscaler=autoscaler,
        reconciler=reconciler,
        probes=probes.Probes(
            settings.probe_host, settings.probe_port, live=health.live, ready=health.ready, metrics=probes.prometheus
        ),
    )


def _worker_defaults(settings: OperatorSettings) -> WorkerDefaults:
    return WorkerDefaults(
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
        installation=settings.installation,
    )
