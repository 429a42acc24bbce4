"""When to wake a route: what this gateway knows of free slots, and when it says that it knows of none.

Pure. What the workers said last is a second old, so each request queued since takes one of the slots that they had.
Saying it too often costs the operator a look at the queue; not at all, and a request waits: so while one waits, it is
said again.
"""

from collections.abc import Callable

from penstock_contract.frames import WorkerHeartbeat

SAY_AGAIN_S = 0.1
"""At most once in this time and route, the first at once."""
WAITS_LONG_S = 1.0
"""A request that waits for so long is reason enough, whatever the workers said; a lost message costs this much."""
WORKER_LOST_S = 3.5
KEPT_S = 60.0


class _Worker:
    __slots__ = ("free", "heard_at")

    def __init__(self, free: int, heard_at: float) -> None:
        self.free = free
        self.heard_at = heard_at


class _Route:
    __slots__ = ("owed", "said_at", "workers")

    def __init__(self) -> None:
        self.workers: dict[str, _Worker] = {}
        self.said_at = float("-inf")
        self.owed = False
        """Whether a request was queued without a free slot since it was said."""


class Activations:
    """`say` gets the key of a route to wake. All times are event-loop times."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._routes: dict[str, _Route] = {}

    def queued(self, key: str, now: float) -> None:
        """A request of the route went into its queue. Called once per request; no task, no allocation but the first."""
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route()
        for worker in route.workers.values():
            if worker.free > 0 and now - worker.heard_at < WORKER_LOST_S:
                worker.free -= 1
                return
        route.owed = True
        if now - route.said_at >= SAY_AGAIN_S:
            self._announce(key, route, now)

    def waits(self, key: str, since: float, now: float) -> None:
        """A request of the route still waits for a worker; called a few times a second."""
        route = self._routes.setdefault(key, _Route())
        silent_s = now - route.said_at
        if silent_s >= SAY_AGAIN_S and (route.owed or min(silent_s, now - since) >= WAITS_LONG_S):
            self._announce(key, route, now)

    def heard(self, key: str, beat: WorkerHeartbeat, now: float) -> None:
        free = 0 if beat.draining else beat.slots - beat.in_flight
        self._routes.setdefault(key, _Route()).workers[beat.worker] = _Worker(free, now)

    def reconnected(self, now: float) -> None:
        """Nobody's heartbeat could be heard for a while: that says nothing about the workers."""
        for route in self._routes.values():
            for worker in route.workers.values():
                worker.heard_at = now

    def forget(self, now: float) -> None:
        """Drop what is long gone."""
        for key, route in list(self._routes.items()):
            route.workers = {name: worker for name, worker in route.workers.items() if now - worker.heard_at < KEPT_S}
            if not route.workers and now - route.said_at > KEPT_S:
                del self._routes[key]

    def _announce(self, key: str, route: _Route, now: float) -> None:
        route.said_at = now
        route.owed = False
        self._say(key)
