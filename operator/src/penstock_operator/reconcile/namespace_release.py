"""Ends the service of routes in a namespace that does not match the operator's selector, or does not any more.

The condition is the route's only one afterwards. Its workers get SIGTERM and finish their streams: left running, they
would use their nodes without an operator that scales them. The mark on the Deployment is removed last, because another
installation takes the route over as soon as it is gone: see `installation_conflict`. Objects stay, and the
route with them: when the namespace matches again, the next pass restores all of it.
"""

import datetime as dt
from collections.abc import Callable
from typing import Final, Protocol

from penstock_contract.route.status import Condition, ModelRouteStatus
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.event_recorder import EventRecorder
from penstock_operator.kube.resources import DEPLOYMENTS, MODEL_ROUTES, ROUTE_LABEL, Body, Key, Resource
from penstock_operator.kube.watch.cache import Snapshot
from penstock_operator.reconcile.owned_object import INSTALLATION
from penstock_operator.status import route_status
from penstock_runtime.clock import Clock

REASON: Final = "NamespaceNotServed"
UNREPORTED_S: Final = 10.0
"""Time that another installation has to report a new route before this one reports that it does not serve it."""


class ReleasedObjects(Protocol):
    """The part of the API client that is used; every method raises `ApiError`."""

    async def apply_status(self, namespace: str, name: str, status: Body) -> Body: ...

    async def scale(self, namespace: str, name: str, replicas: int) -> None: ...

    async def annotate_deployment(self, namespace: str, name: str, annotations: dict[str, str | None]) -> Body: ...


class NamespaceRelease:
    """`written` receives the response of a write, `again` requests another pass after some seconds."""

    def __init__(
        self,
        store: ReleasedObjects,
        recorder: EventRecorder,
        clock: Clock,
        installation: str,
        *,
        written: Callable[[Resource, Body], None],
        again: Callable[[Key, float], None],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._installation = installation
        self._written = written
        self._again = again
        self._first_at: dict[Key, float] = {}

    async def run(self, key: Key, exists: Snapshot) -> None:
        """Writes nothing if another installation has the route, or if all is done. Raises `ApiError`."""
        if exists.route is None:
            return
        deployment = exists.deployment
        marks = (deployment or {}).get("metadata", {}).get("annotations") or {}
        ours = deployment is not None and marks.get(INSTALLATION) == self._installation
        try:
            if ours or self._is_unreported(key, exists.route):
                await self._report(key, exists.route)
            if deployment is not None and ours:
                name = deployment["metadata"]["name"]
                if deployment["spec"].get("replicas", 1):
                    await self._store.scale(key[0], name, 0)
                self._written(DEPLOYMENTS, await self._store.annotate_deployment(key[0], name, {INSTALLATION: None}))
        except ApiError as error:
            if error.kind != "NotFound":  # deleted with the namespace
                raise

    def remove(self, key: Key) -> None:
        """Call when the route was deleted or is served."""
        self._first_at.pop(key, None)

    def _is_unreported(self, key: Key, route: Body) -> bool:
        """True if no installation has written a condition for some time."""
        if route_status.previous(route).conditions:
            self._first_at.pop(key, None)
            return False
        left_s = self._first_at.setdefault(key, self._clock.monotonic()) + UNREPORTED_S - self._clock.monotonic()
        if left_s > 0:
            self._again(key, left_s)
        return left_s <= 0

    async def _report(self, key: Key, route: Body) -> None:
        message = (
            f"the release in the namespace {self._installation} selects namespaces by label, and {key[0]} does not"
            f" match: the route is not served. Label the namespace, or list it in operator.namespaces"
        )
        generation = route["metadata"].get("generation", 0)
        status = ModelRouteStatus(
            observed_generation=generation,
            selector=f"{ROUTE_LABEL}={key[1]}",
            conditions=[
                Condition(
                    type="Ready",
                    status="False",
                    observed_generation=generation,
                    last_transition_time=dt.datetime.fromtimestamp(int(self._clock.unix()), dt.UTC),
                    reason=REASON,
                    message=message,
                )
            ],
        )
        self._written(MODEL_ROUTES, await self._store.apply_status(*key, route_status.document(status)))
        await self._recorder.record(route, REASON, message, action="Serve", kind="Warning")
