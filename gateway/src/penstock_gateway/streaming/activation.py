"""When to wake a route: what this gateway knows of free slots, and when it says that it knows of none.

Pure. What the workers said last is a second old, so each request queued since takes one of the slots that they had.
Saying it too often costs the operator a look at the queue; not at all, and a request waits: so while one waits, it is
said again.
"""

from collections.abc import Callable

from penstock_contract.stream.frames import WorkerHeartbeat
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_table import FORGET_S, PeerState, PeerTable

SAY_AGAIN_S = 0.1
"""At most once in this time and route, the first at once."""
WAITS_LONG_S = 1.0
"""A request that waits for so long is reason enough, whatever the workers said; a lost message costs this much."""


class _Route:
    __slots__ = ("owed", "said_at", "workers")

    def __init__(self, pause_detector: PauseDetector) -> None:
        self.workers: PeerTable[str, int] = PeerTable(pause_detector)
        """By name, with their free slots."""
        self.said_at = float("-inf")
        self.owed = False
        """Whether a request was queued without a free slot since it was said."""


class Activations:
    """`say` gets the key of a route to wake. All times are event-loop times."""

    def __init__(self, say: Callable[[str], None], pause_detector: PauseDetector) -> None:
        self._say = say
        self._pause_detector = pause_detector
        self._routes: dict[str, _Route] = {}

    def queued(self, key: str, now: float) -> None:
        """A request of the route went into its queue. Called once per request; no task, no allocation but the first."""
        route = self._route(key)
        for _, worker in route.workers.in_state(PeerState.ALIVE, now):
            if worker.value > 0:
                worker.value -= 1
                return
        route.owed = True
        if now - route.said_at >= SAY_AGAIN_S:
            self._announce(key, route, now)

    def waits(self, key: str, since: float, now: float) -> None:
        """A request of the route still waits for a worker; called a few times a second."""
        route = self._route(key)
        silent_s = now - route.said_at
        if silent_s >= SAY_AGAIN_S and (route.owed or min(silent_s, now - since) >= WAITS_LONG_S):
            self._announce(key, route, now)

    def heard(self, key: str, beat: WorkerHeartbeat, now: float) -> None:
        free = 0 if beat.draining else beat.slots - beat.in_flight
        self._route(key).workers.record_heartbeat(beat.worker, free, now)

    def reconnected(self, now: float) -> None:
        """The broker is back: the workers' heartbeats may take a moment."""
        for route in self._routes.values():
            route.workers.rebase(now)

    def forget(self, now: float) -> None:
        """Drop what is long gone."""
        for key, route in list(self._routes.items()):
            route.workers.forget(now)
            if not route.workers and now - route.said_at > FORGET_S:
                del self._routes[key]

    def _route(self, key: str) -> _Route:
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route(self._pause_detector)
        return route

    def _announce(self, key: str, route: _Route, now: float) -> None:
        route.said_at = now
        route.owed = False
        self._say(key)
