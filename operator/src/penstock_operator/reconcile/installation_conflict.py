"""Routes that two installations serve: the one whose mark is on a route's Deployment keeps it, the other yields.

Both would otherwise apply their own templates in turn, about 25 times a second. The mark is the namespace of the
installation's Lease: two releases in one namespace share the Lease, and only one of them leads. The installation
without the route reports that in a condition of its own, with a field manager of its own: the other one's status is
not changed.
"""

import datetime as dt
from collections.abc import Callable
from typing import Final, Protocol

from penstock_operator.kube.event_recorder import EventRecorder
from penstock_operator.kube.resources import MODEL_ROUTES, Body, Key, Resource
from penstock_operator.reconcile.owned_object import INSTALLATION, other_installation
from penstock_runtime.clock import Clock

CONDITION: Final = "ServedElsewhere"
REASON: Final = "ServedByAnotherRelease"


class StatusStore(Protocol):
    async def apply_status(self, namespace: str, name: str, status: Body, *, manager: str) -> Body:
        """Raises `ApiError`."""


class InstallationConflict:
    """`written` receives the response of a write."""

    def __init__(
        self,
        store: StatusStore,
        recorder: EventRecorder,
        clock: Clock,
        installation: str,
        *,
        written: Callable[[Resource, Body], None],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._installation = installation
        self._written = written
        self._settled: set[Key] = set()
        """Routes that are ours, and whose status has no condition of this installation."""

    async def is_lost(self, key: Key, route: Body, deployment: Body | None) -> bool:
        """True if another installation has the route; writes or removes the condition. Raises `ApiError`."""
        present = [one for one in _conditions(route) if one.get("type") == CONDITION]
        other = other_installation(deployment, self._installation)
        if not other:
            await self.withdraw(key, route)
            return False
        self._settled.discard(key)
        message = (
            f"the release in the namespace {other} serves this route; the one in {self._installation} leaves it alone."
            f" Remove {key[0]} from the namespaces of one of them. If that release no longer exists, remove the"
            f" annotation {INSTALLATION} from the Deployment {key[1]}-worker"
        )
        if not any(one.get("message") == message for one in present):
            at = dt.datetime.fromtimestamp(self._clock.unix(), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            condition = {
                "type": CONDITION,
                "status": "True",
                "reason": REASON,
                "message": message,
                "lastTransitionTime": at,
                "observedGeneration": route["metadata"].get("generation", 0),
            }
            await self._apply(key, [condition])
            await self._recorder.record(route, REASON, message, action="Serve", kind="Warning")
        return True

    async def withdraw(self, key: Key, route: Body) -> None:
        """Removes the condition of this installation, if there may be one. Raises `ApiError`."""
        if key not in self._settled and any(one.get("type") == CONDITION for one in _conditions(route)):
            await self._apply(key, [])
        self._settled.add(key)

    def remove(self, key: Key) -> None:
        """Call when the route was deleted."""
        self._settled.discard(key)

    async def _apply(self, key: Key, conditions: list[Body]) -> None:
        manager = f"penstock-elsewhere-{self._installation}"
        status: Body = {"conditions": conditions} if conditions else {}
        self._written(MODEL_ROUTES, await self._store.apply_status(*key, status, manager=manager))


def _conditions(route: Body) -> list[Body]:
    return list(route.get("status", {}).get("conditions", ()))
