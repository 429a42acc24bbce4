"""The last heartbeat of each worker by route, and the gateways' calls for more workers.

`HeartbeatTable` stores heartbeats, `WorkerHeartbeats` subscribes to them. A worker in the cluster is named like its pod.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from penstock_broker.connection import Connection
from penstock_contract import codec, subjects
from penstock_contract.stream.frames import Drain, Resume, WorkerHeartbeat
from penstock_operator.kube.cache import Key
from penstock_runtime.clock import Clock
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_table import FORGET_S, PeerState, PeerTable

SWEEP_S: Final = FORGET_S


class WorkerReport(Struct, frozen=True):
    """What a worker's last heartbeat says."""

    slots: int
    in_flight: int
    draining: bool
    refusing_keys: tuple[str, ...] = ()


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
        """Take in a heartbeat; whether it differs from the one before it."""
        self._sweep(now)
        workers = self._routes.get(key)
        if workers is None:
            workers = self._routes[key] = PeerTable(self._pause_detector)
        known = workers.get(beat.worker)
        heard = WorkerReport(beat.slots, beat.in_flight, beat.draining, tuple(beat.refusing_keys))
        new = workers.record_heartbeat(beat.worker, heard, now)
        return new or known is None or known.value != heard

    def workers(self, key: Key, now: float) -> Mapping[str, WorkerReport]:
        """The workers that are heard, by name."""
        workers = self._routes.get(key)
        return {} if workers is None else {name: peer.value for name, peer in workers.in_state(PeerState.ALIVE, now)}

    def reconnected(self, now: float) -> None:
        """The broker is back: the workers have to connect again, too."""
        for workers in self._routes.values():
            workers.rebase(now)

    def _sweep(self, now: float) -> None:
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        for key, workers in list(self._routes.items()):
            workers.forget(now)
            if not workers:
                del self._routes[key]


class WorkerHeartbeats:
    """Listens from its making on.

    `activated` gets a route that a gateway calls for, `changed` one whose workers say something new.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        pause_detector: PauseDetector,
        *,
        activated: Callable[[Key], None],
        changed: Callable[[Key], None],
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._activated = activated
        self._changed = changed
        self._table = HeartbeatTable(pause_detector)
        connection.listen(subjects.ALL_WORKER_HEARTBEATS, self._on_heartbeat)
        connection.listen(subjects.ALL_ACTIVATIONS, self._on_activation)
        connection.on_connected(self._on_connected)

    @property
    def connected(self) -> bool:
        return self._connection.connected

    def workers(self, key: Key) -> Mapping[str, WorkerReport]:
        """The route's workers that are heard. While the broker is away or silent the same as before."""
        return self._table.workers(key, self._clock.monotonic())

    async def drain(self, key: Key, worker: str) -> None:
        """Tell a worker to take nothing more; it answers with a heartbeat. Lost while the broker is away."""
        await self._connection.publish(subjects.control(*key, worker), codec.encode(Drain()))

    async def resume(self, key: Key, worker: str) -> None:
        """Tell a worker to take requests again."""
        await self._connection.publish(subjects.control(*key, worker), codec.encode(Resume()))

    def _on_heartbeat(self, subject: str, data: bytes) -> None:
        key = _key(subject)
        if self._table.record(key, codec.decode_worker_heartbeat(data), self._clock.monotonic()):
            self._changed(key)

    def _on_activation(self, subject: str, data: bytes) -> None:
        codec.decode_activation(data)
        self._activated(_key(subject))

    async def _on_connected(self) -> None:
        self._table.reconnected(self._clock.monotonic())


def _key(subject: str) -> Key:
    namespace, _, route = subjects.route_key(subject).partition(".")
    return namespace, route
