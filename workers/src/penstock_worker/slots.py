"""Slots of a worker: the number of requests that it may serve at the same time."""

from penstock_worker.served_route import ServedRoute
from penstock_worker.sessions.registry import SessionRegistry


class Slots:
    """The route's `concurrencyPerReplica`; no slot is free while the worker is draining."""

    def __init__(self, route: ServedRoute, sessions: SessionRegistry) -> None:
        self._route = route
        self._sessions = sessions
        self.draining = False
        self.closed = False
        """True after `close`: the worker shuts down, and cannot resume."""

    @property
    def total(self) -> int:
        version = self._route.version
        return version.spec.scaling.concurrency_per_replica if version is not None else 0

    @property
    def in_use(self) -> int:
        return len(self._sessions)

    def free(self) -> int:
        """May be negative after the route's number was lowered."""
        return 0 if self.draining else self.total - self.in_use

    def close(self) -> None:
        """Drain for the shutdown; cannot be undone."""
        self.draining = self.closed = True
