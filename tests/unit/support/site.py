"""One route's surroundings in virtual time, for the autoscaler: Deployment, ReplicaSet, kubelet, workers and queue.

Every action of another process takes a short time, and reaches the cache through a watch.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
from unit.support import routes
from unit.support.simulated_worker import SimulatedWorker, in_order_of_removal
from unit.support.virtual_time import LoopClock

from penstock_broker.queue_state import QueueState, QueueUnavailable
from penstock_contract.route.status import LastDecision
from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.resources import Key
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.scaling.autoscaler import Autoscaler, ScalingListeners
from penstock_operator.scaling.worker_state import WorkerReport
from penstock_runtime.peer_liveness import LOST_S

KEY = ("team", "main")
WATCH_S = 0.02
START_S = 2.0
HEARTBEAT_S = 1.0
PROBE_S = 0.5


class Site:
    def __init__(self, *, slots: int = 8, deployed: int | None = 0, **scaling: Any) -> None:
        self.spec = routes.spec(scaling={"concurrencyPerReplica": slots, **scaling})
        self.slots = slots
        self.clock = LoopClock()
        self.cache = ClusterCache()
        self.workers_by_name: dict[str, SimulatedWorker] = {}
        self.pending = 0
        self.orphaned = 0
        """Requests delivered to a worker that has ended, and not acked."""
        self.queue_error: QueueUnavailable | None = None
        self.api_error: ApiError | None = None
        self.controls_lost = False
        """True while controls are lost."""
        self.start_s = START_S
        self.connected = True
        self.reads = 0
        self.scales: list[tuple[float, int]] = []
        self.annotated: list[tuple[str, str | None]] = []
        self.sent: list[tuple[str, str]] = []
        self.changes = 0
        self.decisions: list[LastDecision] = []
        self.missing = 0
        self.cut = 0
        """Streams on workers that were stopped without a drain."""
        self._versions = itertools.count(1)
        self._names = itertools.count(1)
        self._generation = 1
        self.replicas = deployed
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = asyncio.get_running_loop().time()
        self.cache.observe(resources.MODEL_ROUTES, self._route(), deleted=False)
        self.autoscaler = self.another()
        if deployed is not None:
            self._publish_deployment()
            for _ in range(deployed):
                self._make_pod(started=True)

    def another(self) -> Autoscaler:
        """A new autoscaler, as after a restart of the operator."""

        async def decided(_key: Key, decision: LastDecision) -> None:
            self.decisions.append(decision)

        def changed(_key: Key) -> None:
            self.changes += 1

        def missing(_key: Key) -> None:
            self.missing += 1

        self.autoscaler = Autoscaler(
            self,
            self,
            self.read,
            self.cache,
            lambda key: self.spec if key == KEY else None,
            ScalingListeners(changed, decided, missing),
            self.clock,
            draw=lambda: 0.5,
        )
        return self.autoscaler

    # Actions of the test

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        run = asyncio.create_task(self.autoscaler.run())
        beat = asyncio.create_task(self._beat())
        self.autoscaler.touched(KEY)
        try:
            yield
        finally:
            for task in (run, beat, *self._tasks):
                task.cancel()
            await asyncio.wait({run, beat, *self._tasks})

    async def passes(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def queue(self, count: int) -> None:
        """Queues requests; the gateway publishes an activation if it has no free slot."""
        self.pending += count
        self._pull()
        if self.pending:
            self.autoscaler.activated(KEY)

    def finish(self, worker: str, count: int = 1) -> None:
        self.workers_by_name[worker].in_flight -= count
        self._pull()
        self._publish_heartbeat(self.workers_by_name[worker])

    def rescale(self, **scaling: Any) -> None:
        """Changes the route's spec."""
        changed = msgspec.convert({**msgspec.to_builtins(self.spec.scaling), **scaling}, type(self.spec.scaling))
        self.spec = msgspec.structs.replace(self.spec, scaling=changed)
        self.autoscaler.touched(KEY)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    @property
    def loads(self) -> dict[str, int]:
        """Streams by worker, stopping workers included."""
        return {worker.name: worker.in_flight for worker in self.workers_by_name.values()}

    # Interfaces of the autoscaler

    def workers(self, key: Key) -> Mapping[str, WorkerReport]:
        assert key == KEY
        now = self.clock.monotonic()
        return {
            worker.name: worker.report
            for worker in self.workers_by_name.values()
            if worker.report is not None and now - worker.reported_at < LOST_S
        }

    async def read(self, key: Key) -> QueueState:
        assert key == KEY
        self.reads += 1
        await asyncio.sleep(0.001)
        if self.queue_error is not None:
            raise self.queue_error
        return QueueState(pending=self.pending, ack_pending=self.orphaned)

    async def drain(self, _key: Key, worker: str) -> None:
        self._publish_control(worker, draining=True)

    async def resume(self, _key: Key, worker: str) -> None:
        self._publish_control(worker, draining=False)

    async def scale(self, namespace: str, name: str, replicas: int) -> None:
        assert (namespace, name) == ("team", "main-worker")
        await asyncio.sleep(0.003)
        self._check_api()
        self.scales.append((round(self.now, 3), replicas))
        self.replicas = replicas
        self._generation += 1
        self._later(WATCH_S, self._publish_deployment)
        self._later(2 * WATCH_S, self._replicate)

    async def annotate_pod(self, _namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        await asyncio.sleep(0.003)
        self._check_api()
        worker = self.workers_by_name.get(name)
        if worker is None:
            raise ApiError("NotFound", "no such pod")
        for key, value in annotations.items():
            self.annotated.append((name, value))
            if value is None:
                worker.annotations.pop(key, None)
            else:
                worker.annotations[key] = value
        self._later(WATCH_S, lambda: self._publish_pod(worker))

    # Simulation

    def _check_api(self) -> None:
        if self.api_error is not None:
            raise self.api_error

    def _publish_control(self, name: str, *, draining: bool) -> None:
        self.sent.append(("drain" if draining else "resume", name))
        worker = self.workers_by_name.get(name)
        if self.controls_lost or worker is None or worker.stopping or not worker.started:
            return
        worker.draining = draining
        self._pull()
        self._later(0.002, lambda: self._publish_heartbeat(worker))
        self._later(PROBE_S, lambda: self._probe(worker))

    def _replicate(self) -> None:
        assert self.replicas is not None
        active = [worker for worker in self.workers_by_name.values() if not worker.stopping]
        for _ in range(self.replicas - len(active)):
            self._make_pod()
        for worker in in_order_of_removal(active)[: max(0, len(active) - self.replicas)]:
            if worker.ready and not worker.draining:
                self.cut += worker.in_flight
            worker.stopping = worker.draining = True
            self._publish_pod(worker)
            self._end_if_idle(worker)

    def _make_pod(self, *, started: bool = False) -> None:
        worker = SimulatedWorker(f"main-worker-{next(self._names)}", self.slots)
        self.workers_by_name[worker.name] = worker
        self._publish_pod(worker)
        if started:
            self._start(worker)
        else:
            self._later(self.start_s, lambda: self._start(worker))

    def _start(self, worker: SimulatedWorker) -> None:
        if worker.stopping:
            return
        worker.started = True
        self._probe(worker)
        self._pull()
        self._publish_heartbeat(worker)

    def _probe(self, worker: SimulatedWorker) -> None:
        ready = worker.started and not worker.draining
        if worker.name in self.workers_by_name and ready is not worker.ready:
            worker.ready = ready
            self._publish_pod(worker)

    def _pull(self) -> None:
        for worker in self.workers_by_name.values():
            if worker.started and not worker.draining:
                waiting = self.orphaned + self.pending
                taken = min(worker.slots - worker.in_flight, waiting)
                self.orphaned -= (again := min(taken, self.orphaned))
                self.pending -= taken - again
                worker.in_flight += taken

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for worker in list(self.workers_by_name.values()):
                self._publish_heartbeat(worker)

    def _publish_heartbeat(self, worker: SimulatedWorker) -> None:
        if not worker.started or worker.name not in self.workers_by_name:
            return
        if self.connected:
            worker.reported_at = self.clock.monotonic()
            before, worker.report = (
                worker.report,
                WorkerReport(worker.slots, worker.in_flight, worker.draining, worker.refusing_keys, worker.failing),
            )
            if worker.report != before:
                self.autoscaler.touched(KEY)
        self._end_if_idle(worker)

    def _end_if_idle(self, worker: SimulatedWorker) -> None:
        if worker.stopping and worker.in_flight == 0 and self.workers_by_name.pop(worker.name, None) is not None:
            self._later(WATCH_S, lambda: self._publish_pod(worker, deleted=True))

    def _publish_deployment(self) -> None:
        body = routes.route_body({"replicas": self.replicas}, name="main-worker", generation=self._generation)
        body["metadata"] |= {"labels": {"penstock.dev/route": "main"}, "resourceVersion": str(next(self._versions))}
        self.cache.observe(resources.DEPLOYMENTS, body, deleted=False)
        self.autoscaler.touched(KEY)

    def _publish_pod(self, worker: SimulatedWorker, *, deleted: bool = False) -> None:
        self.cache.observe(resources.PODS, worker.body(next(self._versions)), deleted=deleted)
        self.autoscaler.touched(KEY)

    def _route(self) -> dict[str, Any]:
        return routes.route_body(resourceVersion=str(next(self._versions)))

    def _later(self, delay_s: float, act: Any) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay_s)
            act()

        task = asyncio.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def scaled(site: Site) -> Iterator[int]:
    """The numbers that were written, in order."""
    return (replicas for _, replicas in site.scales)
