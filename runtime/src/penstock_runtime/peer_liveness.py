"""Liveness of other processes by their heartbeats: one table for every component; pure.

A silent peer is not a lost one. Its link to the broker may be paused, as for a live migration, or its process be
stopped. The broker has the state of each peer's connection: so a peer that missed three heartbeats
is probed with a request on a subject that only it subscribes to. The broker answers "no responders" if its connection
has gone, and then the peer is lost. Without that answer the peer keeps its time: a host that vanished without closing
its connections is lost when the silence has lasted for `SILENCE_MAX_S`.
"""

from collections.abc import Hashable, Iterator
from enum import Enum
from typing import Final, Generic, TypeVar

from penstock_runtime.pause_detector import LATE_S, PauseDetector

HEARTBEAT_S: Final = 1.0
LOST_S: Final = 3.5
"""Three heartbeats and a half: from then on a peer is silent, and probed."""
SILENCE_MAX_S: Final = 10.0
"""A silence up to this long ends nothing, neither a peer's nor the broker's."""
GIVEN_UP_S: Final = HEARTBEAT_S + LATE_S + SILENCE_MAX_S
"""The same from the last heartbeat on: the silence begins when the next one is late."""
EXPIRE_S: Final = 60.0

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class PeerState(Enum):
    ALIVE = "alive"
    SILENT = "silent"
    LOST = "lost"


class PeerRecord(Generic[Value]):
    """`value` is the owner's. `since`: start of the heartbeats without a silence. `at`: last heartbeat."""

    __slots__ = ("at", "gone", "since", "value")

    def __init__(self, value: Value, since: float, at: float) -> None:
        self.value = value
        self.since = since
        self.at = at
        self.gone = False


class PeerTable(Generic[Key, Value]):
    """Call `expire` periodically to bound the table by the peers of the last minute. Times are `pause_detector`'s."""

    def __init__(self, pause_detector: PauseDetector) -> None:
        self._pause_detector = pause_detector
        self._peers: dict[Key, PeerRecord[Value]] = {}

    def record_heartbeat(self, key: Key, value: Value, now: float) -> bool:
        """Record a heartbeat. Returns whether the peer is new or was not alive before it."""
        known = self._peers.get(key)
        new = known is None or self._state(known, now) is not PeerState.ALIVE
        self._peers[key] = PeerRecord(value, now if known is None or new else known.since, now)
        return new

    def expect(self, key: Key, value: Value, now: float) -> None:
        """Expect the heartbeats of a peer from now on, unless it is in the table."""
        if key not in self._peers:
            self._peers[key] = PeerRecord(value, now, now)

    def get(self, key: Key) -> PeerRecord[Value] | None:
        return self._peers.get(key)

    def state(self, key: Key, now: float) -> PeerState:
        """A peer that is not in the table is lost."""
        peer = self._peers.get(key)
        return PeerState.LOST if peer is None else self._state(peer, now)

    def in_state(self, state: PeerState, now: float) -> Iterator[tuple[Key, PeerRecord[Value]]]:
        """The peers in that state."""
        for key, peer in self._peers.items():
            if self._state(peer, now) is state:
                yield key, peer

    def mark_disconnected(self, key: Key, now: float) -> None:
        """The broker has no connection of this peer. Ignored if a heartbeat arrived meanwhile."""
        peer = self._peers.get(key)
        if peer is not None and self._state(peer, now) is PeerState.SILENT:
            peer.gone = True

    def rebase(self, now: float) -> None:
        """After a reconnect: the peers have to connect again, too, so their silence begins now. The lost stay lost."""
        for peer in self._peers.values():
            if self._state(peer, now) is not PeerState.LOST:
                peer.at = max(peer.at, now)

    def take_lost(self, now: float) -> list[Key]:
        """Remove and return the lost peers."""
        lost = [key for key, _ in self.in_state(PeerState.LOST, now)]
        for key in lost:
            del self._peers[key]
        return lost

    def expire(self, now: float) -> None:
        """Drop the peers without a heartbeat for `EXPIRE_S`."""
        elapsed_s = self._pause_detector.elapsed_s
        self._peers = {key: peer for key, peer in self._peers.items() if elapsed_s(peer.at, now) < EXPIRE_S}

    def __len__(self) -> int:
        return len(self._peers)

    def _state(self, peer: PeerRecord[Value], now: float) -> PeerState:
        if peer.gone:
            return PeerState.LOST
        # The usual case: no sum for a peer with a recent heartbeat.
        if now - peer.at <= LOST_S:
            return PeerState.ALIVE
        silent_s = self._pause_detector.elapsed_s(peer.at, now)
        if silent_s <= LOST_S:
            return PeerState.ALIVE
        return PeerState.SILENT if silent_s <= GIVEN_UP_S else PeerState.LOST
