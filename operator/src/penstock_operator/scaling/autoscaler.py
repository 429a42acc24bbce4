"""Carries out what `scaling.decide` decides: looks at each route's load and has its workers steered to the number.

A route is looked at when a gateway calls for workers (at once), when its workers, pods or spec change (soon), and when
its last decision asked for it; a route at rest is not looked at. Every look starts from the whole picture, so that one
that fails is simply repeated:

    1. Read the queue. Unreadable is unknown: nothing is written but what a fallback asks for.
    2. Decide, and split the decision into steps: who drains, who resumes, what the Deployment should ask for.
    3. Carry them out, then tell the reconciler what is different.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec import Struct

from penstock_broker.queue_state import QueueState, QueueUnavailable
from penstock_contract.route.spec import ModelRouteSpec, ScalingSpec
from penstock_contract.route.status import LastDecision
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.cache import Key, ClusterCache
from penstock_operator.scaling.decide import SAMPLE_S, Decision, decide, replicas_for
from penstock_operator.scaling.executor import Cluster, ScaleExecutor, Workers
from penstock_operator.scaling.history import History
from penstock_operator.scaling.observation import Observation, Unavailable
from penstock_operator.scaling.scale_in import Steps, steps
from penstock_operator.scaling.worker_state import WorkerState
from penstock_operator.status.conditions import Autoscaling
from penstock_operator.status.scaling_view import RouteDemand, ScalingView
from penstock_operator.work_queue import Later, WorkQueue
from penstock_runtime.clock import Clock

CONCURRENCY: Final = 16
SOON_S: Final = 0.1
"""Between two looks, unless a gateway calls: pods and heartbeats change many at a time."""
BURST_READ_S: Final = 0.02
BURST_MAX_S: Final = 0.5
"""A burst may grow for so long while nobody could serve it yet, so that it is one write: workers take seconds to start,
and two gateways that share two busy cores a third of one to take 100 requests."""
STABLE_READS: Final = 5
"""A backlog that has not grown for so many looks is whole. Three were too few: whoever sends it stands still for longer
than 60 ms now and then, on cores that others want."""
ALONE_S: Final = 0.005
"""A single request that wakes a route waits this long for company."""
TROUBLE_AFTER_S: Final = 2.0
"""A broker that is back sooner is not worth a condition."""
BUSY_AGAIN_S: Final = 1.0
MESSAGE_MAX: Final = 500

ReadQueue = Callable[[Key], Awaitable[QueueState]]
"""Raises `QueueUnavailable`."""

log = structlog.get_logger("penstock.operator")


class ScalingListeners(Struct, frozen=True):
    """Who is told: that a route's view changed, that its number of workers was changed, that its queue is not there."""

    changed: Callable[[Key], None]
    decided: Callable[[Key, LastDecision], Awaitable[None]]
    queue_missing: Callable[[Key], None]


class _Route:
    def __init__(self, executor: ScaleExecutor) -> None:
        self.executor = executor
        self.history = History()
        self.view = ScalingView()
        self.demand: RouteDemand | None = None
        self.looked_at = float("-inf")


class Autoscaler:
    """`served` gives the version of a route's spec that is in force, None for a route to leave alone."""

    def __init__(
        self,
        cluster: Cluster,
        fleet: Workers,
        read_queue: ReadQueue,
        cache: ClusterCache,
        served: Callable[[Key], ModelRouteSpec | None],
        listeners: ScalingListeners,
        clock: Clock,
        *,
        draw: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._fleet = fleet
        self._read_queue = read_queue
        self._cache = cache
        self._served = served
        self._listeners = listeners
        self._clock = clock
        self._queue: WorkQueue[Key] = WorkQueue(self._look, concurrency=CONCURRENCY, draw=draw)
        self._routes: dict[Key, _Route] = {}

    async def run(self) -> None:
        """Until cancelled; only for a leader whose world is complete."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run())
            group.create_task(self._watch_broker())

    def view(self, key: Key) -> ScalingView:
        route = self._routes.get(key)
        return ScalingView() if route is None else route.view

    def demand(self) -> dict[str, RouteDemand]:
        """What was seen last, of the routes whose demand is known: not in `mode: Manual`, not without the broker."""
        known = ((key, route.demand) for key, route in self._routes.items())
        return {f"{namespace}.{name}": demand for (namespace, name), demand in known if demand is not None}

    def activated(self, key: Key) -> None:
        """A gateway calls for workers: look at once."""
        self._queue.add(key)

    def touched(self, key: Key) -> None:
        """The route, its Deployment, its pods or its workers may be different: look soon."""
        route = self._routes.get(key)
        since_s = SOON_S if route is None else self._clock.monotonic() - route.looked_at
        self._queue.add_after(key, max(0.0, SOON_S - since_s))

    async def _watch_broker(self) -> None:
        """A route at rest has no other reason to be looked at, and its condition has to tell."""
        connected: bool | None = None
        while True:
            if connected is not self._fleet.connected:
                connected = self._fleet.connected
                for key in self._cache.routes():
                    self.touched(key)
            await asyncio.sleep(SAMPLE_S)

    async def _look(self, key: Key) -> None:
        if (spec := self._served(key)) is None:
            if key not in self._cache.routes():
                self._routes.pop(key, None)
            return
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route(ScaleExecutor(key, self._cluster, self._fleet))
        route.looked_at = self._clock.monotonic()
        queue = await self._load(key, spec.scaling, route.executor)
        # Only now: the world may be another one after the broker's answer.
        snapshot = self._cache.snapshot(key)
        if snapshot.deployment is None or "deletionTimestamp" in snapshot.deployment["metadata"]:
            return  # whoever makes it (again) touches the route
        now = self._clock.monotonic()
        state = route.executor.observe(snapshot.deployment, snapshot.pods, now)
        unavailable = isinstance(queue, QueueUnavailable)
        observation = (
            Unavailable(queue.reason, state.serving)
            if isinstance(queue, QueueUnavailable)
            else state.observed(pending=queue.pending, ack_pending=queue.ack_pending)
        )
        route.demand = _demand(spec.scaling, observation)
        decision, route.history = decide(spec.scaling, observation, route.history, now)
        target = _target(spec.scaling, decision, state)
        held = Steps(state.replicas)
        wanted = steps(target, state.replicas, state.loads)
        if unavailable and decision.replicas is None:
            wanted = held
        try:
            await route.executor.execute(wanted, state, snapshot.deployment, now)
        except ApiError as error:
            if error.kind == "TooManyRequests":
                raise Later(error.retry_after_s or BUSY_AGAIN_S, str(error)) from error
            raise
        draining = (state.draining - set(wanted.resume)) | set(wanted.drain) | route.executor.leaving
        await self._report(key, route, decision, target, state.serving, draining, queue)
        again_s = decision.again_in_s
        if again_s is None and (draining or route.executor.unsettled):
            again_s = SAMPLE_S
        if again_s is not None:
            raise Later(again_s, decision.reason)

    async def _load(self, key: Key, scaling: ScalingSpec, executor: ScaleExecutor) -> QueueState | QueueUnavailable:
        if scaling.mode == "Manual":
            return QueueState(pending=0, ack_pending=0, waiting=0)
        try:
            state = await self._read_queue(key)
            if state.pending and not self._fleet.workers(key):
                deployment = self._cache.snapshot(key).deployment
                asleep = deployment is not None and executor.replicas(deployment, self._clock.monotonic()) == 0
                state = await self._settled_backlog(key, scaling, state, asleep=asleep)
        except QueueUnavailable as error:
            if error.reason == "QueueMissing":
                self._listeners.queue_missing(key)
            return error
        return state

    async def _settled_backlog(self, key: Key, scaling: ScalingSpec, state: QueueState, *, asleep: bool) -> QueueState:
        """The backlog of a route that nobody serves yet, when it has stopped growing."""
        began = self._clock.monotonic()
        alone = asleep and state.pending == 1
        pause_s, looks = (ALONE_S, 1) if alone else (BURST_READ_S, STABLE_READS)
        while looks and self._clock.monotonic() - began + pause_s <= BURST_MAX_S:
            if replicas_for(scaling, state.pending) >= scaling.max_replicas:
                break
            await asyncio.sleep(pause_s)
            later = await self._read_queue(key)
            if later.pending > state.pending:
                pause_s, looks = BURST_READ_S, STABLE_READS
            else:
                looks -= 1
            state = later
        return state

    async def _report(
        self,
        key: Key,
        route: _Route,
        decision: Decision,
        target: int,
        serving: int,
        draining: frozenset[str],
        queue: QueueState | QueueUnavailable,
    ) -> None:
        last = None
        if decision.replicas is not None and decision.replicas != serving:
            last = LastDecision(
                at=dt.datetime.fromtimestamp(self._clock.unix(), dt.UTC).replace(microsecond=0),
                from_=serving,
                to=decision.replicas,
                reason=decision.reason,
                message=decision.message[:MESSAGE_MAX],
            )
        view = ScalingView(
            desired=target,
            draining=draining,
            autoscaling=self._autoscaling(route, decision, queue),
            decision=last or route.view.decision,
            refusing_keys=tuple(
                sorted({name for worker in self._fleet.workers(key).values() for name in worker.refusing_keys})
            ),
        )
        if view != route.view:
            route.view = view
            self._listeners.changed(key)
        if last is not None:
            await self._listeners.decided(key, last)

    def _autoscaling(
        self, route: _Route, decision: Decision, queue: QueueState | QueueUnavailable
    ) -> Autoscaling | None:
        if isinstance(queue, QueueState):
            return Autoscaling()
        since = route.history.unknown_since
        if since is not None and self._clock.monotonic() - since < TROUBLE_AFTER_S:
            return route.view.autoscaling
        fallback = decision.reason == "Fallback"
        # Without the seconds that it has lasted: a message that changes with them would be written each time.
        then = "the fallback's number of workers applies" if fallback else "the number of workers is held"
        return Autoscaling(queue.reason, fallback, f"{queue}; {then}")


def _demand(scaling: ScalingSpec, observation: Observation | Unavailable) -> RouteDemand | None:
    if isinstance(observation, Unavailable) or scaling.mode == "Manual":
        return None
    return RouteDemand(observation.pending, observation.in_flight)


def _target(scaling: ScalingSpec, decision: Decision, state: WorkerState) -> int:
    """How many should serve. A hold keeps those that do; a pause of scale-in also calls back who has not gone yet."""
    if decision.replicas is not None:
        return decision.replicas
    if scaling.mode == "Auto" and scaling.paused in {"ScaleIn", "All"}:
        return state.replicas
    return state.serving
