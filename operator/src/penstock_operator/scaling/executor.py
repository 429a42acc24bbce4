"""Brings one route's Deployment to where a decision wants it: marks pods, tells workers, sets the number.

What was begun is on the pods (see `state`). What is remembered here only bridges the time until the world shows
our own writes; a restart in the middle costs nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog
from msgspec import Struct

from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.cache import Body, Key
from penstock_operator.scaling.scale_in import Steps
from penstock_operator.scaling.worker_heartbeats import WorkerReport
from penstock_operator.scaling.worker_state import CHEAP, DELETION_COST, WorkerState, is_active, build

WRITE_SEEN_S: Final = 10.0
"""An own write that is not in the world after so long was undone by somebody."""
RESEND_S: Final = 1.0

log = structlog.get_logger("penstock.operator")


class Cluster(Protocol):
    """What is needed of the API server; everything raises `ApiError`."""

    async def scale(self, namespace: str, name: str, replicas: int) -> None: ...

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None: ...


class Workers(Protocol):
    """What is needed of the fleet."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""

    def workers(self, key: Key) -> Mapping[str, WorkerReport]: ...

    async def drain(self, key: Key, worker: str) -> None: ...

    async def resume(self, key: Key, worker: str) -> None: ...


class _Write(Struct, frozen=True):
    """Our last write of a Deployment's number, and the generation that it was made on."""

    replicas: int
    generation: int
    at: float


class ScaleExecutor:
    """Of one route. `now` is monotonic seconds."""

    def __init__(self, key: Key, cluster: Cluster, fleet: Workers) -> None:
        self._key = key
        self._cluster = cluster
        self._fleet = fleet
        self._write: _Write | None = None
        self._intended: dict[str, bool] = {}
        """Pods to drain or not, where the world does not show it yet."""
        self._sent_at: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        """Pods that our last smaller number leaves out, and since when."""

    @property
    def unsettled(self) -> bool:
        """Whether something is on its way that no event may tell the end of."""
        return bool(self._write or self._intended or self._leaving)

    @property
    def leaving(self) -> frozenset[str]:
        return frozenset(self._leaving)

    def replicas(self, deployment: Body, now: float) -> int:
        """What the Deployment asks for: as the world shows it, or as we have just written it."""
        shown = int(deployment["spec"].get("replicas", 1))
        write = self._write
        if write is None:
            return shown
        seen = _generation(deployment) > write.generation or shown == write.replicas
        if seen or now - write.at > WRITE_SEEN_S:
            self._write = None
            return shown
        return write.replicas

    def observe(self, deployment: Body, pods: Sequence[Body], now: float) -> WorkerState:
        active = {pod["metadata"]["name"] for pod in pods if is_active(pod)}
        replicas = self.replicas(deployment, now)
        # A smaller number is carried out when there are no more pods than it asks for: who is there then, stays.
        surplus = len(active) > replicas
        self._leaving = {
            name: since
            for name, since in self._leaving.items()
            if surplus and name in active and now - since < WRITE_SEEN_S
        }
        state = build(replicas, pods, self._fleet.workers(self._key), self._intended, self._leaving)
        self._intended = {
            name: wanted
            for name, wanted in self._intended.items()
            if name in active and wanted is not (name in state.marked)
        }
        self._sent_at = {name: at for name, at in self._sent_at.items() if name in active}
        return state

    async def execute(self, wanted: Steps, state: WorkerState, deployment: Body, now: float) -> None:
        """Raises `ApiError`; then nothing is lost by being asked again."""
        for name in wanted.resume:
            await self._mark(name, state, drain=False)
        # Also who drains unasked: whoever led before had told it, and did not come to write that down.
        for name in (*wanted.resume, *state.unasked):
            if self._may_send(name, now):
                await self._fleet.resume(self._key, name)
        for name in wanted.drain:
            await self._mark(name, state, drain=True)
        silent = [load.name for load in state.loads if load.draining and not load.confirmed]
        for name in (*wanted.drain, *(name for name in silent if name not in wanted.resume)):
            if self._may_send(name, now):
                await self._fleet.drain(self._key, name)
        if wanted.replicas != state.replicas:
            await self._scale(wanted, state, deployment, now)

    async def _scale(self, wanted: Steps, state: WorkerState, deployment: Body, now: float) -> None:
        namespace, route = self._key
        await self._cluster.scale(namespace, f"{route}-worker", wanted.replicas)
        log.info("operator.scaled", route=f"{namespace}.{route}", replicas=wanted.replicas, was=state.replicas)
        self._write = _Write(wanted.replicas, _generation(deployment), now)
        if wanted.replicas < state.replicas:
            self._leaving.update(dict.fromkeys(wanted.gone, now))

    async def _mark(self, pod: str, state: WorkerState, *, drain: bool) -> None:
        """Write the intention on the pod, before its worker hears of it."""
        self._sent_at.pop(pod, None)
        if (pod in state.marked) is not drain:
            try:
                await self._cluster.annotate_pod(self._key[0], pod, {DELETION_COST: CHEAP if drain else None})
            except ApiError as error:
                # Without the right to mark pods readiness alone steers the ReplicaSet, and this process remembers.
                if error.kind not in {"NotFound", "Forbidden"}:
                    raise
                log.warning("operator.pod_not_marked", pod=pod, error=error.kind)
        self._intended[pod] = drain

    def _may_send(self, worker: str, now: float) -> bool:
        """Core NATS may lose a control, so it is said again; not with every look."""
        if now - self._sent_at.get(worker, float("-inf")) < RESEND_S:
            return False
        self._sent_at[worker] = now
        return True


def _generation(deployment: Body) -> int:
    return int(deployment["metadata"].get("generation", 0))
