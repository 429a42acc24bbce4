"""A reconciler among fakes: one route, and a journal of every write."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from unit.support.routes import route_body, spec_document

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.event_recorder import EventRecorder
from penstock_operator.kube.resources import FIELD_MANAGER, Body, Key, Resource
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.metrics import Metrics
from penstock_operator.nats.worker_secrets import WorkerSecrets
from penstock_operator.reconcile.pod_template import WorkerDefaults
from penstock_operator.reconcile.reconciler import Reconciler
from penstock_operator.routes.publisher import CataloguePublisher
from penstock_operator.routes.registry import RouteRegistry
from penstock_operator.status.scaling_view import Autoscaling, ScalingView
from penstock_runtime.clock import ManualClock

KEY = ("team", "main")
DEFAULTS = WorkerDefaults(image="penstock:1", nats_url="nats://broker")


class FakeControlPlane:
    """The broker; writes into the stage's journal."""

    def __init__(self, journal: list[str]) -> None:
        self.away = False
        self.entries: dict[str, CatalogueEntry] = {}
        self._journal = journal

    async def prepare(self) -> None:
        self._reach()

    async def apply(self, entry: CatalogueEntry) -> bool:
        self._reach()
        self._journal.append("publish")
        self.entries[entry.key] = entry
        return True

    async def remove(self, namespace: str, route: str) -> None:
        self._reach()
        self._journal.append("unpublish")
        self.entries.pop(f"{namespace}.{route}")

    def _reach(self) -> None:
        if self.away:
            raise PenstockError("broker_unavailable", "the message broker is away")


class Stage:
    """A reconciler among fakes: the API server, the broker and the autoscaler in one, with a journal of every write."""

    def __init__(self, defaults: WorkerDefaults = DEFAULTS, *, catalogue_read: bool = True) -> None:
        self.clock = ManualClock()
        self.cache = ClusterCache()
        self.journal: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.errors: dict[str, ApiError] = {}
        self.meanwhile: dict[str, Callable[[], object]] = {}
        """Actions during a write of the API server, by its entry in the journal."""
        self.scaling = ScalingView(autoscaling=Autoscaling())
        self.again: list[tuple[Key, float]] = []
        self.broker = FakeControlPlane(self.journal)
        self.statuses: list[Body] = []
        self._versions = itertools.count(100)
        self.publisher = CataloguePublisher(self.broker)
        if catalogue_read:
            self.publisher.replace({})
        self.registry = RouteRegistry(self.publisher.entry)
        self.reconciler = Reconciler(
            self,
            self.cache,
            self.registry,
            self.publisher,
            self,
            EventRecorder(self, self.clock, me="test"),
            Metrics(NoOpMeterProvider().get_meter("test"), ()),
            defaults,
            WorkerSecrets(self, self.clock),
            self.clock,
            again=lambda key, delay_s: self.again.append((key, delay_s)),
        )

    def put(self, document: Any = None, **metadata: Any) -> None:
        body = route_body(document, **metadata)
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        if (stored := self.cache.routes().get(KEY)) is not None and "status" in stored:
            body["status"] = stored["status"]
        self.cache.observe(resources.MODEL_ROUTES, body, deleted=False)

    def take_away(self) -> None:
        body = self.cache.routes()[KEY]
        self.cache.observe(resources.MODEL_ROUTES, body, deleted=True)

    async def run(self) -> list[str]:
        """Runs one pass and returns its writes."""
        self.journal.clear()
        await self.reconciler.reconcile(KEY)
        return list(self.journal)

    def conditions(self) -> dict[str, str]:
        return {one["type"]: f"{one['status']} {one['reason']}" for one in self.statuses[-1]["conditions"]}

    # The API server

    async def apply(self, body: Body, *, dry_run: bool = False) -> Body:
        if dry_run:
            if (error := self.errors.get(f"apply {body['kind']}")) is not None:
                raise error
            return body
        self._do(f"apply {body['kind']}")
        kind = resources.of_object(body)
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        stored = self.cache._objects[kind].get((namespace, name), {"metadata": {"uid": f"u-{kind.plural}"}})
        metadata = {**body["metadata"], "uid": stored["metadata"]["uid"], "resourceVersion": str(next(self._versions))}
        return {**body, "metadata": metadata}

    async def scale(self, namespace: str, name: str, replicas: int) -> None:
        self._do(f"scale {namespace}/{name} {replicas}")

    async def apply_status(self, namespace: str, name: str, status: Body, *, manager: str = FIELD_MANAGER) -> Body:
        del manager
        self._do("status")
        self.statuses.append(status)
        body = self.cache.routes()[namespace, name]
        metadata = {**body["metadata"], "resourceVersion": str(next(self._versions))}
        return {**body, "metadata": metadata, "status": status}

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        self._do(f"delete {resource.kind} {namespace}/{name}")

    async def annotate_deployment(self, namespace: str, name: str, annotations: dict[str, str | None]) -> Body:
        self._do(f"annotate {namespace}/{name}")
        body = self.cache._objects[resources.DEPLOYMENTS][namespace, name]
        kept = {key: value for key, value in body["metadata"]["annotations"].items() if key not in annotations}
        metadata = {**body["metadata"], "annotations": kept, "resourceVersion": str(next(self._versions))}
        return {**body, "metadata": metadata}

    async def create_secret(self, secret: Body) -> None:
        self._do(f"create Secret {secret['metadata']['name'].rpartition('-')[0]}")

    async def create_event(self, event: Body) -> None:
        self._do("event")
        self.events.append(event)

    # The autoscaler

    def view(self, _key: Key) -> ScalingView:
        return self.scaling

    def touched(self, _key: Key) -> None:
        pass

    def _do(self, what: str) -> None:
        self.meanwhile.pop(what, lambda: None)()
        if (error := self.errors.get(what.split(" ", maxsplit=1)[0] if what not in self.errors else what)) is not None:
            raise error
        self.journal.append(what)


async def stage(document: Any = None, **metadata: Any) -> Stage:
    """A route after its first pass, and after the pass that its new objects queue."""
    made = Stage()
    made.put(document, **metadata)
    await made.run()
    await made.run()
    made.again.clear()
    made.clock.advance(60)
    return made


def changed(**spec: Any) -> Mapping[str, Any]:
    """Arguments for `put`: a second version of the spec."""
    return {"document": spec_document(**spec), "generation": 2}
