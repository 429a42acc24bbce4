"""Who works, as the workers say it: the last heartbeat of each by route, and the gateways' calls for more of them.

`Roster` is the table, `Fleet` its ears. A worker in the cluster is named like its pod.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from penstock_contract import codec, subjects
from penstock_contract.broker.connection import Connection
from penstock_contract.clock import Clock
from penstock_contract.frames import Drain, Resume, WorkerHeartbeat
from penstock_operator.world import Key

LOST_S: Final = 3.5
"""Three heartbeats and a half, as for a gateway."""
KEPT_S: Final = 60.0


class Heard(Struct, frozen=True):
    """A worker's last word, and since when it has been heard without a gap; monotonic seconds."""

    slots: int
    in_flight: int
    draining: bool
    since: float
    at: float

    def says_the_same(self, other: "Heard | None") -> bool:
        return other is not None and (self.slots, self.in_flight, self.draining) == (
            other.slots,
            other.in_flight,
            other.draining,
        )


class Roster:
    """Bounded by the workers of the last minute."""

    def __init__(self) -> None:
        self._routes: dict[Key, dict[str, Heard]] = {}
        self._swept_at = 0.0

    def hear(self, key: Key, beat: WorkerHeartbeat, now: float) -> bool:
        """Take in a heartbeat; whether it says something new."""
        self._sweep(now)
        workers = self._routes.setdefault(key, {})
        known = workers.get(beat.worker)
        if known is not None and now - known.at > LOST_S:
            known = None
        since = now if known is None else known.since
        heard = workers[beat.worker] = Heard(beat.slots, beat.in_flight, beat.draining, since, now)
        return not heard.says_the_same(known)

    def workers(self, key: Key, now: float) -> Mapping[str, Heard]:
        """Those that are not lost, by name."""
        workers = self._routes.get(key, {})
        return {name: heard for name, heard in workers.items() if now - heard.at <= LOST_S}

    def reconnected(self, away_since: float, now: float) -> None:
        """Nobody could be heard for a while: who was there before has its time from now on."""
        for workers in self._routes.values():
            for name, heard in workers.items():
                if away_since - heard.at <= LOST_S:
                    workers[name] = Heard(heard.slots, heard.in_flight, heard.draining, heard.since, now)

    def _sweep(self, now: float) -> None:
        if now - self._swept_at < KEPT_S:
            return
        self._swept_at = now
        for key, workers in list(self._routes.items()):
            kept = {name: heard for name, heard in workers.items() if now - heard.at < KEPT_S}
            if kept:
                self._routes[key] = kept
            else:
                del self._routes[key]


class Fleet:
    """Listens from its making on.

    `activated` gets a route that a gateway calls for, `changed` one whose workers say something new.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        *,
        activated: Callable[[Key], None],
        changed: Callable[[Key], None],
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._activated = activated
        self._changed = changed
        self._roster = Roster()
        self._heard_at = clock.monotonic()
        connection.listen(subjects.ALL_WORKER_HEARTBEATS, self._on_heartbeat)
        connection.listen(subjects.ALL_ACTIVATIONS, self._on_activation)
        connection.on_connected(self._on_connected)

    @property
    def connected(self) -> bool:
        return self._connection.connected

    def workers(self, key: Key) -> Mapping[str, Heard]:
        """The route's workers that are not lost. While the broker is away nobody can be lost."""
        return self._roster.workers(key, self._clock.monotonic() if self.connected else self._heard_at)

    async def drain(self, key: Key, worker: str) -> None:
        """Tell a worker to take nothing more; it answers with a heartbeat. Lost while the broker is away."""
        await self._connection.publish(subjects.control(*key, worker), codec.encode(Drain()))

    async def resume(self, key: Key, worker: str) -> None:
        """Tell a worker to take requests again."""
        await self._connection.publish(subjects.control(*key, worker), codec.encode(Resume()))

    def _on_heartbeat(self, subject: str, data: bytes) -> None:
        now = self._heard_at = self._clock.monotonic()
        key = _key(subject)
        if self._roster.hear(key, codec.decode_worker_heartbeat(data), now):
            self._changed(key)

    def _on_activation(self, subject: str, data: bytes) -> None:
        codec.decode_activation(data)
        self._activated(_key(subject))

    async def _on_connected(self) -> None:
        self._roster.reconnected(self._heard_at, self._clock.monotonic())


def _key(subject: str) -> Key:
    namespace, _, route = subjects.route_key(subject).partition(".")
    return namespace, route
