"""Writes a route's status: at once when a condition changes, else at a bounded rate."""

import datetime as dt
from collections.abc import Callable
from typing import Final, Protocol

from penstock_contract.route.status import ModelRouteStatus
from penstock_operator.kube import resources
from penstock_operator.kube.api_error import FORBIDDEN_AGAIN_S, ApiError
from penstock_operator.kube.event_recorder import EventRecorder
from penstock_operator.kube.resources import Body, Key, Resource
from penstock_operator.metrics import Metrics, RouteWorkers
from penstock_operator.status import route_status
from penstock_operator.status.conditions import Situation
from penstock_operator.status.scaling_view import ScalingView
from penstock_operator.work_queue import Later
from penstock_runtime.clock import Clock

STATUS_EVERY_S: Final = 5.0
"""Minimum interval of writes that change numbers only; a changed condition is written at once."""
GOOD: Final = {"Accepted": "True", "Ready": "True", "Degraded": "False"}
"""Conditions whose other status is a Warning, with the good one."""
TRANSIENT: Final = frozenset({"NoWorkers", "Starting"})
"""Reasons of a route that is only starting."""
FIRST_LOOK_S: Final = 10.0
"""A new leader leaves the status of a known route unchanged until its autoscaler has observed it, or for this long."""


class StatusStore(Protocol):
    async def apply_status(self, namespace: str, name: str, status: Body) -> Body:
        """Raises `ApiError`."""


class StatusWriter:
    """`written` receives the response of a write, `again` requests another pass after some seconds."""

    def __init__(
        self,
        store: StatusStore,
        recorder: EventRecorder,
        metrics: Metrics,
        clock: Clock,
        *,
        written: Callable[[Resource, Body], None],
        again: Callable[[Key, float], None],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._written = written
        self._again = again
        self._written_at: dict[Key, float] = {}
        self._first_at: dict[Key, float] = {}

    async def update(self, key: Key, body: Body, situation: Situation, view: ScalingView) -> None:
        """Writes the status of the route in `body`, if it differs. Raises `ApiError` and `Later`."""
        before = route_status.previous(body)
        if situation.survey.wanted is not None and before.conditions and view.autoscaling is None:
            # Otherwise the missing observation would change conditions of every route, and revert them a second later.
            first_at = self._first_at.setdefault(key, self._clock.monotonic())
            if (left_s := FIRST_LOOK_S - (self._clock.monotonic() - first_at)) > 0:
                self._again(key, left_s)
                return
        now = dt.datetime.fromtimestamp(self._clock.unix(), dt.UTC)
        after = route_status.compose(key[1], situation, before, now, desired=view.desired, decision=view.decision)
        self._metrics.route_workers(
            f"{key[0]}.{key[1]}", RouteWorkers(after.desired_replicas, after.ready_replicas, after.draining_replicas)
        )
        self._metrics.route_conditions(
            f"{key[0]}.{key[1]}", {condition.type: condition.status for condition in after.conditions}
        )
        if not route_status.needs_write(body, after):
            return
        since_s = self._clock.monotonic() - self._written_at.get(key, -STATUS_EVERY_S)
        if since_s < STATUS_EVERY_S and not _urgent(before, after):
            self._again(key, STATUS_EVERY_S - since_s)
            return
        await self._write(key, route_status.document(after))
        await self._warn(body, before, after)

    async def _warn(self, body: Body, before: ModelRouteStatus, after: ModelRouteStatus) -> None:
        """Create a Warning when a condition turns bad, or when the reason of a bad one changes."""
        known = {condition.type: condition for condition in before.conditions}
        for condition in after.conditions:
            previous = known.get(condition.type)
            good = GOOD.get(condition.type)
            if good is None or condition.status in {good, "Unknown"} or condition.reason in TRANSIENT:
                continue
            if previous is None or (previous.status, previous.reason) != (condition.status, condition.reason):
                await self._recorder.record(body, condition.reason, condition.message, action="Serve", kind="Warning")

    def remove(self, key: Key) -> None:
        """Call when the route was deleted."""
        self._written_at.pop(key, None)
        self._first_at.pop(key, None)
        self._metrics.route_workers(f"{key[0]}.{key[1]}", None)
        self._metrics.route_conditions(f"{key[0]}.{key[1]}", None)

    async def _write(self, key: Key, document: Body) -> None:
        try:
            response = await self._store.apply_status(*key, document)
        except ApiError as error:
            if error.kind == "NotFound":
                return  # the watch will report its deletion
            if error.kind in {"Forbidden", "Invalid"}:
                raise Later(FORBIDDEN_AGAIN_S, str(error)) from error
            raise
        self._written_at[key] = self._clock.monotonic()
        self._written(resources.MODEL_ROUTES, response)


def _urgent(before: ModelRouteStatus, after: ModelRouteStatus) -> bool:
    """True if a condition changed, or this is the first status of a generation."""
    known: dict[str, str] = {condition.type: condition.status for condition in before.conditions}
    flipped = any(known.get(condition.type) != condition.status for condition in after.conditions)
    return flipped or before.observed_generation != after.observed_generation
