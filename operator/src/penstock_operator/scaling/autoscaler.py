"""Observes each route's load, decides its number of workers with `decide`, and executes the decision.

A route is observed when a gateway requests workers (at once), when its workers, pods or spec change (soon), and when
its last decision requires it; a route at rest is not observed. Every pass starts from the whole state, so that a failed
pass is simply repeated:

    1. Read the queue. An unreadable queue means unknown demand: only the fallback changes the number.
    2. Decide, and split the decision into steps: workers to drain and to resume, and the Deployment's number.
    3. Execute the steps, then report the new view to the reconciler.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog
from msgspec import Struct

from penstock_broker.queue_state import QueueState, QueueUnavailable
from penstock_contract.route.scaling import ScalingSpec
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.route.status import LastDecision
from penstock_operator.kube.api_error import BUSY_AGAIN_S, ApiError
from penstock_operator.kube.resources import Key
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.scaling.decision import SAMPLE_S, Decision, decide, replicas_for
from penstock_operator.scaling.executor import ScaleClient, ScaleExecutor, WorkerControl
from penstock_operator.scaling.history import History
from penstock_operator.scaling.observation import Observation, Unavailable
from penstock_operator.scaling.scale_in import Steps, steps
from penstock_operator.scaling.worker_state import WorkerState
from penstock_operator.status.scaling_view import Autoscaling, RouteDemand, ScalingView
from penstock_operator.work_queue import Later, WorkQueue
from penstock_runtime.clock import Clock

CONCURRENCY: Final = 16
SOON_S: Final = 0.1
"""Minimum interval of passes, unless a gateway requests workers: pods and heartbeats change many at a time."""
BURST_READ_S: Final = 0.02
BURST_MAX_S: Final = 0.5
"""A burst may grow for this long while no worker could serve it, so that it becomes one write: workers take seconds to
start, and two gateways that share two busy cores take a third of a second for 100 requests."""
STABLE_READS: Final = 5
"""A backlog that has not grown for this many reads is complete. Three were too few: on shared cores the sender pauses
for longer than 60 ms now and then."""
ALONE_S: Final = 0.005
"""A single request to a sleeping route waits this long for others."""
TROUBLE_AFTER_S: Final = 2.0
"""A shorter outage of the broker changes no condition."""
MESSAGE_MAX: Final = 500

ReadQueue = Callable[[Key], Awaitable[QueueState]]
"""Raises `QueueUnavailable`."""

log = structlog.get_logger("penstock.operator")


class ScalingListeners(Struct, frozen=True):
    """Callbacks: a route's view changed, its number of workers was changed, its queue does not exist."""

    changed: Callable[[Key], None]
    decided: Callable[[Key, LastDecision], Awaitable[None]]
    queue_missing: Callable[[Key], None]


class _Route:
    def __init__(self, executor: ScaleExecutor) -> None:
        self.executor = executor
        self.history = History()
        self.view = ScalingView()
        self.demand: RouteDemand | None = None
        self.observed_at = float("-inf")


class Autoscaler:
    """`served` returns the version of a route's spec that is in force, None for a route without autoscaling."""

    def __init__(
        self,
        client: ScaleClient,
        workers: WorkerControl,
        read_queue: ReadQueue,
        cache: ClusterCache,
        served: Callable[[Key], ModelRouteSpec | None],
        listeners: ScalingListeners,
        clock: Clock,
        *,
        draw: Callable[[], float],
    ) -> None:
        self._client = client
        self._workers = workers
        self._read_queue = read_queue
        self._cache = cache
        self._served = served
        self._listeners = listeners
        self._clock = clock
        self._queue: WorkQueue[Key] = WorkQueue("autoscale", concurrency=CONCURRENCY, draw=draw)
        self._routes: dict[Key, _Route] = {}

    async def run(self) -> None:
        """Runs until cancelled; only for a leader whose cache is complete."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run(self._scale))
            group.create_task(self._watch_broker())

    def view(self, key: Key) -> ScalingView:
        route = self._routes.get(key)
        return ScalingView() if route is None else route.view

    def demand(self) -> dict[str, RouteDemand]:
        """The last observed demand of each route; routes in `mode: Manual` or with unknown demand are left out."""
        known = ((key, route.demand) for key, route in self._routes.items())
        return {f"{namespace}.{name}": demand for (namespace, name), demand in known if demand is not None}

    def activated(self, key: Key) -> None:
        """A gateway requests workers: runs a pass at once."""
        self._queue.add(key)

    def touched(self, key: Key) -> None:
        """The route, its Deployment, its pods or its workers may have changed: runs a pass soon."""
        route = self._routes.get(key)
        since_s = SOON_S if route is None else self._clock.monotonic() - route.observed_at
        self._queue.add_after(key, max(0.0, SOON_S - since_s))

    async def _watch_broker(self) -> None:
        """Runs a pass of every route when the broker connects or disconnects: a route at rest has no other reason."""
        connected: bool | None = None
        while True:
            if connected is not self._workers.connected:
                connected = self._workers.connected
                for key in self._cache.routes():
                    self.touched(key)
            await asyncio.sleep(SAMPLE_S)

    async def _scale(self, key: Key) -> None:
        if (spec := self._served(key)) is None:
            if key not in self._cache.routes():
                self._routes.pop(key, None)
            return
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route(ScaleExecutor(key, self._client, self._workers))
        route.observed_at = self._clock.monotonic()
        queue = await self._load(key, spec.scaling, route.executor)
        # Only now: the cache may have changed during the broker's response.
        snapshot = self._cache.snapshot(key)
        if snapshot.deployment is None or "deletionTimestamp" in snapshot.deployment["metadata"]:
            return  # its creation starts another pass
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
            return QueueState(pending=0, ack_pending=0)
        try:
            state = await self._read_queue(key)
            if state.pending and not self._workers.workers(key):
                deployment = self._cache.snapshot(key).deployment
                at_zero = deployment is not None and executor.replicas(deployment, self._clock.monotonic()) == 0
                state = await self._settled_backlog(key, scaling, state, at_zero=at_zero)
        except QueueUnavailable as error:
            if error.reason == "QueueMissing":
                self._listeners.queue_missing(key)
            return error
        return state

    async def _settled_backlog(self, key: Key, scaling: ScalingSpec, state: QueueState, *, at_zero: bool) -> QueueState:
        """The backlog of a route without workers, once it has stopped growing."""
        began = self._clock.monotonic()
        alone = at_zero and state.pending == 1
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
            refusing_keys=_names(worker.refusing_keys for worker in self._workers.workers(key).values()),
            failing=_names(worker.failing for worker in self._workers.workers(key).values()),
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
        # Without its duration: a message that changes every second would be written every second.
        then = "the fallback's number of workers applies" if fallback else "the number of workers is held"
        return Autoscaling(queue.reason, fallback, f"{queue}; {then}")


def _demand(scaling: ScalingSpec, observation: Observation | Unavailable) -> RouteDemand | None:
    if isinstance(observation, Unavailable) or scaling.mode == "Manual":
        return None
    return RouteDemand(observation.pending, observation.in_flight)


def _target(scaling: ScalingSpec, decision: Decision, state: WorkerState) -> int:
    """The number of workers that should serve. A hold keeps them; a pause of scale-in also resumes draining ones."""
    if decision.replicas is not None:
        return decision.replicas
    if scaling.mode == "Auto" and scaling.paused in {"ScaleIn", "All"}:
        return state.replicas
    return state.serving


def _names(of_workers: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for names in of_workers for name in names}))
