"""Carries out a scaling decision for one route: marks pods, sends drain and resume, sets the Deployment's number.

Started drains are recorded on the pods (see `worker_state`). The state here only bridges the time until the cache
shows the operator's own writes; a restart in between loses nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog
from msgspec import Struct

from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.resources import Body, Key
from penstock_operator.scaling import worker_state
from penstock_operator.scaling.scale_in import Steps
from penstock_operator.scaling.worker_state import CHEAP, DELETION_COST, WorkerReport, WorkerState, is_active

WRITE_SEEN_S: Final = 10.0
"""An own write that the cache does not show after this time was reverted by another client."""
RESEND_S: Final = 1.0

log = structlog.get_logger("penstock.operator")


class ScaleClient(Protocol):
    """The part of the API client that scaling uses; every method raises `ApiError`."""

    async def scale(self, namespace: str, name: str, replicas: int) -> None: ...

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None: ...


class WorkerControl(Protocol):
    """The part of `WorkerHeartbeats` that scaling uses."""

    @property
    def connected(self) -> bool:
        """True if the broker is connected."""

    def workers(self, key: Key) -> Mapping[str, WorkerReport]: ...

    async def drain(self, key: Key, worker: str) -> None: ...

    async def resume(self, key: Key, worker: str) -> None: ...


class _Write(Struct, frozen=True):
    """The last own write of a Deployment's number, and the generation before it."""

    replicas: int
    generation: int
    at: float


class ScaleExecutor:
    """Executes decisions for one route. `now` is monotonic seconds."""

    def __init__(self, key: Key, client: ScaleClient, workers: WorkerControl) -> None:
        self._key = key
        self._client = client
        self._workers = workers
        self._write: _Write | None = None
        self._intended: dict[str, bool] = {}
        """Pods to drain or not, where the cache does not show it yet."""
        self._sent_at: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        """Pods that the last scale-in leaves out, and since when."""

    @property
    def unsettled(self) -> bool:
        """True if a write is in progress whose end no event may report."""
        return bool(self._write or self._intended or self._leaving)

    @property
    def leaving(self) -> frozenset[str]:
        return frozenset(self._leaving)

    def replicas(self, deployment: Body, now: float) -> int:
        """The Deployment's number: as in the cache, or as just written."""
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
        # A scale-in is complete when there are no more pods than its number: the pods that exist then stay.
        surplus = len(active) > replicas
        self._leaving = {
            name: since
            for name, since in self._leaving.items()
            if surplus and name in active and now - since < WRITE_SEEN_S
        }
        state = worker_state.build(replicas, pods, self._workers.workers(self._key), self._intended, self._leaving)
        self._intended = {
            name: wanted
            for name, wanted in self._intended.items()
            if name in active and wanted is not (name in state.marked)
        }
        self._sent_at = {name: at for name, at in self._sent_at.items() if name in active}
        return state

    async def execute(self, wanted: Steps, state: WorkerState, deployment: Body, now: float) -> None:
        """Raises `ApiError`; the call can be repeated then."""
        for name in wanted.resume:
            await self._mark(name, state, drain=False)
        # Also workers that drain without a mark: the previous leader sent the request and crashed before the mark.
        for name in (*wanted.resume, *state.unasked):
            if self._may_send(name, now):
                await self._workers.resume(self._key, name)
        for name in wanted.drain:
            await self._mark(name, state, drain=True)
        silent = [load.name for load in state.loads if load.draining and not load.confirmed]
        for name in (*wanted.drain, *(name for name in silent if name not in wanted.resume)):
            if self._may_send(name, now):
                await self._workers.drain(self._key, name)
        if wanted.replicas != state.replicas:
            await self._scale(wanted, state, deployment, now)

    async def _scale(self, wanted: Steps, state: WorkerState, deployment: Body, now: float) -> None:
        namespace, route = self._key
        await self._client.scale(namespace, f"{route}-worker", wanted.replicas)
        log.info("operator.scaled", route=f"{namespace}.{route}", replicas=wanted.replicas, was=state.replicas)
        self._write = _Write(wanted.replicas, _generation(deployment), now)
        if wanted.replicas < state.replicas:
            self._leaving.update(dict.fromkeys(wanted.gone, now))

    async def _mark(self, pod: str, state: WorkerState, *, drain: bool) -> None:
        """Writes the intention on the pod, before the request is sent to its worker."""
        self._sent_at.pop(pod, None)
        if (pod in state.marked) is not drain:
            try:
                await self._client.annotate_pod(self._key[0], pod, {DELETION_COST: CHEAP if drain else None})
            except ApiError as error:
                # Without the right to annotate pods the ReplicaSet follows readiness, and the intention is kept here.
                if error.kind not in {"NotFound", "Forbidden"}:
                    raise
                log.warning("operator.pod_not_marked", pod=pod, error=error.kind)
        self._intended[pod] = drain

    def _may_send(self, worker: str, now: float) -> bool:
        """Core NATS may lose a control message, so it is sent again, at most once per `RESEND_S`."""
        if now - self._sent_at.get(worker, float("-inf")) < RESEND_S:
            return False
        self._sent_at[worker] = now
        return True


def _generation(deployment: Body) -> int:
    return int(deployment["metadata"].get("generation", 0))
