"""One route at a time from what is to what should be: looks, plans, applies, publishes, says what is so.

Level-triggered: every pass starts from the whole picture, and one that finds everything in order writes nothing.
Decisions are in `plan`, `conditions` and `status`; here are the order of the steps and what an error means.

    409   the world is behind: again in a moment, when the watch has caught up
    422   this version of the route cannot be served: the last good one stays, and the status says why. Asked for
          again in a while, as a dry run: it may have been a policy of the cluster's, and not the route
    403   a right or a quota is missing: the status says so, again in a while
    500   the server could not, because of an admission webhook say: the status says so, again soon
    429   again when the server said
    away  nothing is done and nothing is forgotten: again with a back-off
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_contract.route.status import LastDecision, ModelRouteStatus
from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.cache import Body, Key, Snapshot, ClusterCache
from penstock_operator.kube.event_recorder import EventRecorder
from penstock_operator.kube.resources import Resource
from penstock_operator.metrics import Metrics, RouteWorkers
from penstock_operator.nats import worker_secrets
from penstock_operator.nats.worker_secrets import WorkerSecrets
from penstock_operator.reconcile.manifests import Manifest, WorkerDefaults
from penstock_operator.reconcile.plan import Plan, last_good, needed, plan
from penstock_operator.routes.parser import Route
from penstock_operator.routes.publisher import CataloguePublisher
from penstock_operator.routes.registry import RouteRegistry
from penstock_operator.status import composition
from penstock_operator.status.conditions import Situation, refused_keys
from penstock_operator.status.scaling_view import ScalingView
from penstock_operator.work_queue import Later
from penstock_runtime.clock import Clock

STATUS_EVERY_S: Final = 5.0
"""Numbers that change all the time are written this often; a condition that flips is written at once."""
FORBIDDEN_AGAIN_S: Final = 4.0
BROKER_AGAIN_S: Final = 2.0
FIRST_LOOK_S: Final = 10.0
"""A new leader says nothing about a route that was spoken of before until its autoscaler has looked, or for so long."""
BUSY_AGAIN_S: Final = 1.0
FAILED_AGAIN_S: Final = 2.0
NOT_READ: Final = PenstockError("broker_unavailable", "the catalogue of routes was not read yet")
REPAIRED_BROKER: Final = "on the broker: put back the route's queue or its entry in the catalogue"

log = structlog.get_logger("penstock.operator")


class ObjectStore(Protocol):
    """What is needed of the cluster; everything raises `ApiError`."""

    async def apply(self, body: Body, *, dry_run: bool = False) -> Body: ...

    async def scale(self, namespace: str, name: str, replicas: int) -> None: ...

    async def apply_status(self, namespace: str, name: str, status: Body) -> Body: ...

    async def delete(self, resource: Resource, namespace: str, name: str) -> None: ...


class Scaler(Protocol):
    """What is needed of the autoscaler."""

    def view(self, key: Key) -> ScalingView: ...

    def touched(self, key: Key) -> None:
        """The route, its Deployment or its pods may be different."""


class Reconciler:
    """`again` puts a key into the work queue, at once or after some seconds."""

    def __init__(
        self,
        cluster: ObjectStore,
        cache: ClusterCache,
        registry: RouteRegistry,
        publisher: CataloguePublisher,
        scaler: Scaler,
        recorder: EventRecorder,
        metrics: Metrics,
        defaults: WorkerDefaults,
        secrets: WorkerSecrets,
        clock: Clock,
        *,
        again: Callable[[Key, float], None],
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._registry = registry
        self._publisher = publisher
        self._scaler = scaler
        self._recorder = recorder
        self._metrics = metrics
        self._defaults = defaults
        self._secrets = secrets
        self._clock = clock
        self._again = again
        self._status_at: dict[Key, float] = {}
        self._first_at: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> None:
        """One pass. Raises `Later` if it knows when another one can do more, anything else to be tried again soon."""
        began = self._clock.monotonic()
        result = "error"
        try:
            await self._pass(key)
            result = "ok"
        except Later:
            result = "later"
            raise
        except ApiError as error:
            result = error.kind
            if error.kind == "TooManyRequests":
                raise Later(error.retry_after_s or BUSY_AGAIN_S, str(error)) from error
            raise
        finally:
            self._metrics.reconciled(result, self._clock.monotonic() - began)

    async def _pass(self, key: Key) -> None:
        if (refused := self._registry.refused(key)) is not None and await self._would_be_taken(key, refused):
            self._registry.reconsider(key)
        # Asked before anything is decided: it may be read while the objects are applied.
        catalogue_read = self._publisher.loaded.is_set()
        exists = self._cache.snapshot(key)
        route = self._registry.update(key, exists.route)
        for other in self._registry.assign_models() - {key}:
            self._again(other, 0.0)
        if route is None or exists.route is None:
            await self._forget(key)
            return
        view = self._scaler.view(key)
        wanted = self._plan(route, exists, view)
        failure = await self._apply(key, wanted, exists)
        if failure is not None and failure.kind == "Invalid" and wanted.acceptance.accepted:
            self._registry.refuse(route, str(failure))
            for other in self._registry.assign_models():
                self._again(other, 0.0)
            raise Later(0.0, "planned again, without what the API server refuses")
        unpublished = await self._publish(route, exists.route, wanted, failure) if catalogue_read else NOT_READ
        said = composition.previous(exists.route).observed_generation == route.generation
        # Without the catalogue nobody knows whether a last good version is served: what was said of this spec stays.
        if not route.deleting and (wanted.serves is not None or catalogue_read or not said):
            await self._update_status(key, exists.route, route, wanted, view, failure)
        self._scaler.touched(key)
        if failure is not None:
            raise Later(FAILED_AGAIN_S if failure.kind == "Failed" else FORBIDDEN_AGAIN_S, str(failure))
        if unpublished is not None:
            raise Later(BROKER_AGAIN_S, str(unpublished))
        if self._registry.refused(key) is not None:
            raise Later(FORBIDDEN_AGAIN_S, "asked for again")

    async def _would_be_taken(self, key: Key, refused: Route) -> bool:
        """Whether the API server would take what it has refused; if not, its present reason counts."""
        try:
            for manifest in needed(refused, self._cache.snapshot(key), self._defaults):
                await self._cluster.apply(manifest, dry_run=True)
        except ApiError as error:
            if error.kind == "Invalid":
                self._registry.refuse(refused, str(error))
            elif error.kind not in {"Forbidden", "Failed"}:
                raise
            return False
        return True

    def _plan(self, route: Route, exists: Snapshot, view: ScalingView) -> Plan:
        return plan(
            route,
            exists,
            self._registry.ownership,
            self._publisher.entry(route.key),
            self._defaults,
            desired=view.desired,
            draining=view.draining,
        )

    async def _apply(self, key: Key, wanted: Plan, exists: Snapshot) -> ApiError | None:
        """Make the objects as wanted; gives the error that lies in the request and not in the moment."""
        assert exists.route is not None
        try:
            if wanted.credentials is not None:
                waiting = wanted.survey.creating
                await self._secrets.provide(key, wanted.credentials, waited_for=waiting)
                if waiting:
                    self._again(key, worker_secrets.AGAIN_S)
            for manifest in wanted.apply:
                await self._apply_one(manifest)
            for kind, name in wanted.delete:
                resource = next(resource for resource in resources.WATCHED if resource.kind == kind)
                await self._cluster.delete(resource, exists.route["metadata"]["namespace"], name)
        except ApiError as error:
            if error.kind in {"Forbidden", "Invalid", "Failed"}:
                return error
            raise
        for repair in wanted.repairs:
            log.info("operator.repaired", route=exists.route["metadata"]["name"], repair=repair)
            await self._recorder.record(exists.route, "Repaired", repair, action="Repair")
        return None

    async def _apply_one(self, manifest: Manifest) -> None:
        live = await self._cluster.apply(manifest)
        self._take_in(resources.of_object(manifest), live)
        if (replicas := manifest["spec"].get("replicas") if "spec" in manifest else None) is not None:
            # The number goes to the scaler before it is left out of the next apply, which would reset it to 1.
            await self._cluster.scale(manifest["metadata"]["namespace"], manifest["metadata"]["name"], replicas)

    async def _publish(self, route: Route, body: Body, wanted: Plan, failure: ApiError | None) -> PenstockError | None:
        """Bring the catalogue in line; gives the reason why that was not possible."""
        entry = wanted.entry
        if failure is not None and entry is not None and entry.ready and not self._is_published(entry):
            # Objects first: what they cannot serve is not promised.
            return None
        try:
            if entry is None:
                await self._publisher.remove(route.key)
            elif await self._publisher.apply(entry):
                await self._recorder.record(body, "Repaired", REPAIRED_BROKER, action="Repair")
        except PenstockError as error:
            return error
        return None

    def _is_published(self, entry: CatalogueEntry) -> bool:
        """Whether the catalogue has this version as one that is served."""
        known = self._publisher.entry(entry.key)
        return known is not None and known.ready and known.spec == entry.spec

    async def _update_status(
        self, key: Key, body: Body, route: Route, wanted: Plan, view: ScalingView, failure: ApiError | None
    ) -> None:
        published = wanted.entry is not None and self._is_published(wanted.entry)
        situation = Situation(
            generation=route.generation,
            acceptance=wanted.acceptance,
            serves=wanted.serves,
            survey=wanted.survey,
            published=published,
            older=not published and last_good(route, self._publisher.entry(route.key)) is not None,
            applying=wanted.applying,
            apply_error=wanted.blocked if failure is None else str(failure),
            autoscaling=view.autoscaling,
            refusing_keys=view.refusing_keys,
        )
        before = composition.previous(body)
        if wanted.survey.wanted is not None and before.conditions and view.autoscaling is None:
            # Else what is not known yet would flip conditions of every route, and flip them back a second later.
            first_at = self._first_at.setdefault(key, self._clock.monotonic())
            if (left_s := FIRST_LOOK_S - (self._clock.monotonic() - first_at)) > 0:
                self._again(key, left_s)
                return
        now = dt.datetime.fromtimestamp(self._clock.unix(), dt.UTC)
        after = composition.compose(route.name, situation, before, now, desired=view.desired, decision=view.decision)
        self._metrics.route_workers(
            route.key, RouteWorkers(after.desired_replicas, after.ready_replicas, after.draining_replicas)
        )
        if not composition.needs_write(body, after):
            return
        if (refused := refused_keys(situation)) and _reason(before, "Degraded") != "ProviderAuthFailed":
            await self._recorder.record(body, "ProviderAuthFailed", refused, action="Serve", kind="Warning")
        since_s = self._clock.monotonic() - self._status_at.get(key, -STATUS_EVERY_S)
        if since_s < STATUS_EVERY_S and not _urgent(before, after):
            self._again(key, STATUS_EVERY_S - since_s)
            return
        await self._write_status(key, composition.document(after))

    async def _write_status(self, key: Key, document: Body) -> None:
        try:
            written = await self._cluster.apply_status(*key, document)
        except ApiError as error:
            if error.kind == "NotFound":
                return  # its deletion is on the way to us
            if error.kind in {"Forbidden", "Invalid"}:
                raise Later(FORBIDDEN_AGAIN_S, str(error)) from error
            raise
        self._status_at[key] = self._clock.monotonic()
        self._take_in(resources.MODEL_ROUTES, written)

    def _take_in(self, resource: Resource, answer: Body) -> None:
        """At once, not when the watch tells: the next pass must not make again what was just made.

        But there is a next pass: the answer has also what others wrote meanwhile, and when the watch tells of that it
        is old already.
        """
        for key in self._cache.observe(resource, answer, deleted=False):
            self._again(key, 0.0)

    async def _forget(self, key: Key) -> None:
        """The route is gone. Its objects go by their owner references, its pods with the time that they need."""
        name = f"{key[0]}.{key[1]}"
        self._status_at.pop(key, None)
        self._first_at.pop(key, None)
        self._secrets.forget(key)
        self._metrics.route_workers(name, None)
        self._scaler.touched(key)
        try:
            await self._publisher.remove(name)
        except PenstockError as error:
            raise Later(BROKER_AGAIN_S, str(error)) from error

    async def decided(self, key: Key, decision: LastDecision) -> None:
        """The autoscaler changed the number of a route's workers."""
        self._metrics.decided(f"{key[0]}.{key[1]}", decision.reason)
        if (body := self._cache.routes().get(key)) is not None:
            note = f"from {decision.from_} to {decision.to} workers: {decision.message}"
            await self._recorder.record(body, decision.reason, note, action="Scale")


def _reason(of: ModelRouteStatus, type_: str) -> str:
    return next((condition.reason for condition in of.conditions if condition.type == type_), "")


def _urgent(before: ModelRouteStatus, after: ModelRouteStatus) -> bool:
    """Whether a condition flipped, or this is the first word about a generation."""
    known: dict[str, Any] = {condition.type: condition.status for condition in before.conditions}
    flipped = any(known.get(condition.type) != condition.status for condition in after.conditions)
    return flipped or before.observed_generation != after.observed_generation
