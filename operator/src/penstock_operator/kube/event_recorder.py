"""Kubernetes Events about routes: changes that happened once, for people. The present state is in the status.

Best effort. An equal Event about the same route is created at most once per `QUIET_S`.
"""

import datetime as dt
import secrets
from collections import OrderedDict
from typing import Final, Literal, Protocol

import structlog

from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.resources import MODEL_ROUTES, Body
from penstock_runtime.clock import Clock

NOTE_MAX: Final = 1024
QUIET_S: Final = 60.0
REMEMBERED_MAX: Final = 4096

log = structlog.get_logger("penstock.operator")


class EventStore(Protocol):
    async def create_event(self, event: Body) -> None:
        """Raises `ApiError`."""


class EventRecorder:
    """`me` identifies this process in Events."""

    def __init__(self, store: EventStore, clock: Clock, *, me: str) -> None:
        self._store = store
        self._clock = clock
        self._me = me
        self._recorded_at: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def record(
        self, route: Body, reason: str, note: str, *, action: str, kind: Literal["Normal", "Warning"] = "Normal"
    ) -> None:
        """Creates an Event about a route, given in its whole JSON. `reason` and `action` are words in CamelCase."""
        metadata = route["metadata"]
        now = self._clock.monotonic()
        event_key = (metadata["uid"], reason, note)
        if now - self._recorded_at.get(event_key, -QUIET_S) < QUIET_S:
            return
        self._recorded_at[event_key] = now
        self._recorded_at.move_to_end(event_key)
        while len(self._recorded_at) > REMEMBERED_MAX:
            self._recorded_at.popitem(last=False)
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
