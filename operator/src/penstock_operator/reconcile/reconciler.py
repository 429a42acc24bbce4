"""Reconciles one ModelRoute: plan, apply the objects, publish the catalogue entry, update the status.

Level-triggered: every pass starts from the whole state, and writes nothing if all is in order. `plan`, `conditions` and
`route_status` decide; this module defines the order of the steps and the reaction to errors:

    409         the cache is outdated: retry shortly, when the watch has caught up
    422         this version of the route cannot be served: the last good one stays, and the status has the reason.
                Repeated later as a dry run, because a policy of the cluster may be the cause, and not the route
    403         a right or a quota is missing: the status has the reason, retry later
    500         the server failed, because of an admission webhook for example: the status has the reason, retry soon
    429         retry when the server allows
    no response nothing is written and nothing is lost: retry with back-off
"""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_operator.kube import resources
from penstock_operator.kube.api_error import BUSY_AGAIN_S, FORBIDDEN_AGAIN_S, ApiError
from penstock_operator.kube.event_recorder import EventRecorder
from penstock_operator.kube.resources import FIELD_MANAGER, Body, Key, Resource
from penstock_operator.kube.watch.cache import ClusterCache, Snapshot
from penstock_operator.metrics import Metrics
from penstock_operator.nats import worker_secrets
from penstock_operator.nats.worker_secrets import WorkerSecrets
from penstock_operator.reconcile.installation_conflict import InstallationConflict
from penstock_operator.reconcile.namespace_release import NamespaceRelease
from penstock_operator.reconcile.owned_object import Manifest
from penstock_operator.reconcile.plan import Plan, needed, plan
from penstock_operator.reconcile.pod_template import WorkerDefaults
from penstock_operator.reconcile.status_writer import StatusWriter
from penstock_operator.routes.model_ownership import last_good
from penstock_operator.routes.parser import Route
from penstock_operator.routes.publisher import CataloguePublisher
from penstock_operator.routes.registry import RouteRegistry
from penstock_operator.status import route_status
from penstock_operator.status.conditions import Situation
from penstock_operator.status.scaling_view import ScalingView
from penstock_operator.work_queue import Later
from penstock_runtime.clock import Clock

BROKER_AGAIN_S: Final = 2.0
FAILED_AGAIN_S: Final = 2.0
NOT_READ: Final = PenstockError("broker_unavailable", "the catalogue of routes was not read yet")
REPAIRED_BROKER: Final = "on the broker: restored the route's queue or its entry in the catalogue"

log = structlog.get_logger("penstock.operator")


class ObjectStore(Protocol):
    """The part of the API client that is used; every method raises `ApiError`."""

    async def apply(self, body: Body, *, dry_run: bool = False) -> Body: ...

    async def scale(self, namespace: str, name: str, replicas: int) -> None: ...

    async def apply_status(self, namespace: str, name: str, status: Body, *, manager: str = FIELD_MANAGER) -> Body: ...

    async def delete(self, resource: Resource, namespace: str, name: str) -> None: ...

    async def annotate_deployment(self, namespace: str, name: str, annotations: dict[str, str | None]) -> Body: ...


class Scaler(Protocol):
    """The part of the autoscaler that is used."""

    def view(self, key: Key) -> ScalingView: ...

    def touched(self, key: Key) -> None:
        """The route, its Deployment or its pods may have changed."""


class Reconciler:
    """`again` adds a key to the work queue, at once or after some seconds."""

    def __init__(
        self,
        client: ObjectStore,
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
        self._client = client
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
        shared = client, recorder, clock, defaults.installation
        self._conflict = InstallationConflict(*shared, written=self._store_response)
        self._release = NamespaceRelease(*shared, written=self._store_response, again=again)
        self._status = StatusWriter(client, recorder, metrics, clock, written=self._store_response, again=again)

    async def reconcile(self, key: Key) -> None:
        """Runs one pass. Raises `Later` if a later pass can do more at a known time; any other exception backs off."""
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

    async def release(self, key: Key) -> None:
        """Runs one pass for a route of a namespace that is not selected. Raises as `reconcile` does."""
        exists = self._cache.snapshot(key)
        self._registry.update(key, None)
        for other in self._registry.assign_models():
            self._again(other, 0.0)
        if exists.route is None:
            await self._remove(key)
            return
        self._status.remove(key)
        self._secrets.remove(key)
        self._scaler.touched(key)
        await self._unpublish(f"{key[0]}.{key[1]}")
        await self._conflict.withdraw(key, exists.route)
        await self._release.run(key, exists)

    async def _pass(self, key: Key) -> None:
        if (refused := self._registry.refused(key)) is not None and await self._would_be_accepted(key, refused):
            self._registry.reconsider(key)
        # Read before anything is decided: the catalogue may arrive while the objects are applied.
        catalogue_read = self._publisher.loaded.is_set()
        exists = self._cache.snapshot(key)
        route = self._registry.update(key, exists.route)
        for other in self._registry.assign_models() - {key}:
            self._again(other, 0.0)
        if route is None or exists.route is None:
            await self._remove(key)
            return
        if await self._conflict.is_lost(key, exists.route, exists.deployment):
            await self._unpublish(route.key)
            self._scaler.touched(key)
            return
        view = self._scaler.view(key)
        wanted = self._plan(route, exists, view)
        failure = await self._apply(key, wanted, exists)
        if failure is not None and failure.kind == "Invalid" and wanted.acceptance.accepted:
            self._registry.refuse(route, str(failure))
            for other in self._registry.assign_models():
                self._again(other, 0.0)
            raise Later(0.0, "plan again, without the version that the API server rejects")
        unpublished = await self._publish(route, exists.route, wanted, failure) if catalogue_read else NOT_READ
        reported = route_status.previous(exists.route).observed_generation == route.generation
        # Without the catalogue it is unknown whether a last good version is served: the reported status stays.
        if not route.deleting and (wanted.serves is not None or catalogue_read or not reported):
            await self._status.update(key, exists.route, self._situation(route, wanted, view, failure), view)
        self._scaler.touched(key)
        self._raise_for_next(key, failure, unpublished)

    def _raise_for_next(self, key: Key, failure: ApiError | None, unpublished: PenstockError | None) -> None:
        """Raises `Later` if a further pass is needed."""
        if failure is not None:
            raise Later(FAILED_AGAIN_S if failure.kind == "Failed" else FORBIDDEN_AGAIN_S, str(failure))
        if unpublished is not None:
            raise Later(BROKER_AGAIN_S, str(unpublished))
        if self._registry.refused(key) is not None:
            raise Later(FORBIDDEN_AGAIN_S, "repeat the dry run of the rejected version")

    async def _would_be_accepted(self, key: Key, refused: Route) -> bool:
        """True if the API server would accept the objects that it rejected; if not, its present reason counts."""
        try:
            for manifest in needed(refused, self._cache.snapshot(key), self._defaults):
                await self._client.apply(manifest, dry_run=True)
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
        """Applies the plan's objects; returns an error that a retry of the same request will not change."""
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
                await self._client.delete(resource, exists.route["metadata"]["namespace"], name)
        except ApiError as error:
            if error.kind in {"Forbidden", "Invalid", "Failed"}:
                return error
            raise
        for repair in wanted.repairs:
            log.info("operator.repaired", route=exists.route["metadata"]["name"], repair=repair)
            await self._recorder.record(exists.route, "Repaired", repair, action="Repair")
        return None

    async def _apply_one(self, manifest: Manifest) -> None:
        live = await self._client.apply(manifest)
        self._store_response(resources.of_object(manifest), live)
        if (replicas := manifest["spec"].get("replicas") if "spec" in manifest else None) is not None:
            # The scaler owns the number before the next apply leaves it out, which would reset it to 1.
            await self._client.scale(manifest["metadata"]["namespace"], manifest["metadata"]["name"], replicas)

    async def _publish(self, route: Route, body: Body, wanted: Plan, failure: ApiError | None) -> PenstockError | None:
        """Publishes or removes the catalogue entry; returns the error of the broker."""
        entry = wanted.entry
        if failure is not None and entry is not None and entry.ready and not self._is_published(entry):
            # Objects first: a version whose objects cannot be applied is not published.
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
        """True if the catalogue has this version as a served one."""
        known = self._publisher.entry(entry.key)
        return known is not None and known.ready and known.spec == entry.spec

    def _situation(self, route: Route, wanted: Plan, view: ScalingView, failure: ApiError | None) -> Situation:
        published = wanted.entry is not None and self._is_published(wanted.entry)
        return Situation(
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
            failing=view.failing,
        )

    def _store_response(self, resource: Resource, response: Body) -> None:
        """Updates the cache before the watch does: the next pass must not repeat this write.

        Requests another pass: the response may contain changes of other clients, and the watch event for those is
        outdated when it arrives.
        """
        for key in self._cache.observe(resource, response, deleted=False):
            self._again(key, 0.0)

    async def _remove(self, key: Key) -> None:
        """Cleans up after a deleted route. Its objects are garbage-collected; its pods end in their grace period."""
        name = f"{key[0]}.{key[1]}"
        self._status.remove(key)
        self._secrets.remove(key)
        self._conflict.remove(key)
        self._release.remove(key)
        self._scaler.touched(key)
        await self._unpublish(name)

    async def _unpublish(self, name: str) -> None:
        try:
            await self._publisher.remove(name)
        except PenstockError as error:
            raise Later(BROKER_AGAIN_S, str(error)) from error
