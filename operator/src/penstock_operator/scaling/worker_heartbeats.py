"""Heartbeats of the workers by route, the gateways' activations, and control messages to workers.

`HeartbeatTable` stores heartbeats, `WorkerHeartbeats` subscribes to them. A worker in the cluster has its pod's name.
"""

from collections.abc import Callable, Mapping
from typing import Final

from penstock_broker.connection import Connection
from penstock_contract import codec, subjects
from penstock_contract.stream.frames import Drain, Resume, WorkerHeartbeat
from penstock_operator.kube.resources import Key
from penstock_operator.scaling.worker_state import WorkerReport
from penstock_runtime.clock import Clock
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import EXPIRE_S, PeerState, PeerTable

SWEEP_S: Final = EXPIRE_S


class HeartbeatTable:
    """Bounded by the workers of the last minute.

    A worker counts while its heartbeats arrive, in the time in which this process could receive (`pause_detector`): a
    stopped operator or a silent broker makes no worker disappear.
    """

    def __init__(self, pause_detector: PauseDetector) -> None:
        self._pause_detector = pause_detector
        self._routes: dict[Key, PeerTable[str, WorkerReport]] = {}
        self._swept_at = 0.0

    def record(self, key: Key, beat: WorkerHeartbeat, now: float) -> bool:
        """Stores a heartbeat; returns whether it differs from the one before."""
        self._sweep(now)
        workers = self._routes.get(key)
        if workers is None:
            workers = self._routes[key] = PeerTable(self._pause_detector)
        known = workers.get(beat.worker)
        report = WorkerReport(beat.slots, beat.in_flight, beat.draining, tuple(beat.refusing_keys), tuple(beat.failing))
        new = workers.record_heartbeat(beat.worker, report, now)
        return new or known is None or known.value != report

    def workers(self, key: Key, now: float) -> Mapping[str, WorkerReport]:
        """The alive workers, by name."""
        workers = self._routes.get(key)
        return {} if workers is None else {name: peer.value for name, peer in workers.in_state(PeerState.ALIVE, now)}

    def reconnected(self, now: float) -> None:
        """Call after a reconnect to the broker: the workers have to reconnect as well."""
        for workers in self._routes.values():
            workers.rebase(now)

    def _sweep(self, now: float) -> None:
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        for key, workers in list(self._routes.items()):
            workers.expire(now)
            if not workers:
                del self._routes[key]


class WorkerHeartbeats:
    """Subscribes to heartbeats and activations of every route, and publishes control messages."""

    def __init__(self, connection: Connection, clock: Clock, pause_detector: PauseDetector) -> None:
        self._connection = connection
        self._clock = clock
        self._table = HeartbeatTable(pause_detector)
        connection.on_connected(self._on_connected)

    def subscribe(self, *, activated: Callable[[Key], None], changed: Callable[[Key], None]) -> None:
        """Calls `activated` for a route whose gateway requests workers, `changed` for one with a new heartbeat.

        Call once, before the connection starts.
        """

        def on_heartbeat(subject: str, data: bytes) -> None:
            key = _key(subject)
            if self._table.record(key, codec.decode_worker_heartbeat(data), self._clock.monotonic()):
                changed(key)

        def on_activation(subject: str, data: bytes) -> None:
            codec.decode_activation(data)
            activated(_key(subject))

        self._connection.listen(subjects.ALL_WORKER_HEARTBEATS, on_heartbeat)
        self._connection.listen(subjects.ALL_ACTIVATIONS, on_activation)

    @property
    def connected(self) -> bool:
        return self._connection.connected

    def workers(self, key: Key) -> Mapping[str, WorkerReport]:
        """The route's alive workers; unchanged while the broker is unavailable or silent."""
        return self._table.workers(key, self._clock.monotonic())

    async def drain(self, key: Key, worker: str) -> None:
        """Requests a worker to drain; it replies with a heartbeat. Lost while the broker is unavailable."""
        await self._connection.publish(subjects.control(*key, worker), codec.encode(Drain()))

    async def resume(self, key: Key, worker: str) -> None:
        """Requests a worker to take requests again."""
        await self._connection.publish(subjects.control(*key, worker), codec.encode(Resume()))

    async def _on_connected(self) -> None:
        self._table.reconnected(self._clock.monotonic())


def _key(subject: str) -> Key:
    namespace, _, route = subjects.route_key(subject).partition(".")
    return namespace, route
