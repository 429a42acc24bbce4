"""Decides when to request workers for a route, from the free slots in the workers' heartbeats. Pure.

Heartbeats are up to a second old, so each request queued since then takes one of the slots that they reported. A
superfluous activation costs the operator a look at the queue; a missing one makes a request wait. Therefore activations
are repeated while a request waits.
"""

from collections.abc import Callable

from penstock_contract.stream.frames import WorkerHeartbeat
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import EXPIRE_S, PeerState, PeerTable

REPEAT_S = 0.1
"""At most one activation in this time for a route, the first immediately."""
WAITS_LONG_S = 1.0
"""A request that waits this long is a sufficient reason, whatever the heartbeats report: a lost message costs this."""


class _Route:
    __slots__ = ("activated_at", "repeat_due", "workers")

    def __init__(self, pause_detector: PauseDetector) -> None:
        self.workers: PeerTable[str, int] = PeerTable(pause_detector)
        """Free slots by worker."""
        self.activated_at = float("-inf")
        self.repeat_due = False
        """True if a request was queued without a free slot since the last activation."""


class Activations:
    """`activate` receives the key of a route that needs workers. All times are event-loop times."""

    def __init__(self, activate: Callable[[str], None], pause_detector: PauseDetector) -> None:
        self._activate = activate
        self._pause_detector = pause_detector
        self._routes: dict[str, _Route] = {}

    def queued(self, key: str, now: float) -> None:
        """A request was queued. Called once per request; no task, and no allocation but the first."""
        route = self._route(key)
        for _, worker in route.workers.in_state(PeerState.ALIVE, now):
            if worker.value > 0:
                worker.value -= 1
                return
        route.repeat_due = True
        if now - route.activated_at >= REPEAT_S:
            self._announce(key, route, now)

    def waits(self, key: str, since: float, now: float) -> None:
        """A request of the route still waits for a worker; called a few times a second."""
        route = self._route(key)
        silent_s = now - route.activated_at
        if silent_s >= REPEAT_S and (route.repeat_due or min(silent_s, now - since) >= WAITS_LONG_S):
            self._announce(key, route, now)

    def on_heartbeat(self, key: str, beat: WorkerHeartbeat, now: float) -> None:
        free = 0 if beat.draining else beat.slots - beat.in_flight
        self._route(key).workers.record_heartbeat(beat.worker, free, now)

    def has_worker(self, key: str, now: float) -> bool:
        """True while a worker of the route sends heartbeats."""
        route = self._routes.get(key)
        return route is not None and any(True for _ in route.workers.in_state(PeerState.ALIVE, now))

    def reconnected(self, now: float) -> None:
        """The broker is back: the workers' heartbeats may take a moment."""
        for route in self._routes.values():
            route.workers.rebase(now)

    def expire(self, now: float) -> None:
        """Drop workers and routes that were lost long ago."""
        for key, route in list(self._routes.items()):
            route.workers.expire(now)
            if not route.workers and now - route.activated_at > EXPIRE_S:
                del self._routes[key]

    def _route(self, key: str) -> _Route:
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route(self._pause_detector)
        return route

    def _announce(self, key: str, route: _Route, now: float) -> None:
        route.activated_at = now
        route.repeat_due = False
        self._activate(key)
