"""Kubernetes Events about routes: what happened once, for people; what is so is in the status.

Best effort. The same words about the same route are said once in a while only.
"""

import datetime as dt
import secrets
from collections import OrderedDict
from typing import Any, Final, Literal, Protocol

import structlog

from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.resources import MODEL_ROUTES
from penstock_runtime.clock import Clock

NOTE_MAX: Final = 1024
QUIET_S: Final = 60.0
REMEMBERED_MAX: Final = 4096

log = structlog.get_logger("penstock.operator")


class EventStore(Protocol):
    async def create_event(self, event: dict[str, Any]) -> None:
        """Raises `ApiError`."""


class Recorder:
    """`me` is this process, as events name it."""

    def __init__(self, store: EventStore, clock: Clock, *, me: str) -> None:
        self._store = store
        self._clock = clock
        self._me = me
        self._said: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def tell(
        self,
        route: dict[str, Any],
        reason: str,
        note: str,
        *,
        action: str,
        kind: Literal["Normal", "Warning"] = "Normal",
    ) -> None:
        """Say something about a route, given in its whole JSON. `reason` and `action` are words in CamelCase."""
        metadata = route["metadata"]
        now = self._clock.monotonic()
        what = (metadata["uid"], reason, note)
        if now - self._said.get(what, -QUIET_S) < QUIET_S:
            return
        self._said[what] = now
        self._said.move_to_end(what)
        while len(self._said) > REMEMBERED_MAX:
            self._said.popitem(last=False)
        at = dt.datetime.fromtimestamp(self._clock.unix(), dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": metadata["namespace"], "name": f"{metadata['name']}.{secrets.token_hex(8)}"},
            "eventTime": at,
            "reportingController": "penstock.dev/operator",
            "reportingInstance": self._me[:128],
            "action": action,
            "reason": reason,
            "note": note if len(note) <= NOTE_MAX else f"{note[: NOTE_MAX - 1]}…",
            "type": kind,
            "regarding": {
                "apiVersion": MODEL_ROUTES.api_version,
                "kind": MODEL_ROUTES.kind,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        }
        try:
            await self._store.create_event(event)
        except ApiError as error:
            log.warning("operator.event_not_told", reason=reason, error=error.kind, detail=str(error))
