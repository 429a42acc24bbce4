"""Conditions and Events of every route, with the time at which each was observed.

One watch covers the run from its start, so that a condition that is true for an instant only is observed too.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from harness.kubernetes.api import ROUTES, Api, Resource

NEW_EVENTS = Resource("events.k8s.io/v1", "events")

T = TypeVar("T")


class Condition(NamedTuple):
    """`reported` has its status and reason, like `False CrashLoop`."""

    reported: str
    message: str


class Statement(NamedTuple):
    """A route's status at a moment: conditions by type, and `settled` if it is of the newest spec."""

    at: float
    settled: bool
    conditions: Mapping[str, Condition]


class RouteEvent(NamedTuple):
    """An Event about a route."""

    at: float
    reason: str
    note: str


class Observer:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._statements: defaultdict[tuple[str, str], list[Statement]] = defaultdict(list)
        self._events: defaultdict[tuple[str, str], list[RouteEvent]] = defaultdict(list)
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(ROUTES, self._on_route))
            group.create_task(self._follow(NEW_EVENTS, self._on_event))

    async def wait_for(self, find: Callable[[], T | None], what: str, timeout_s: float) -> T:
        """Wait until `find`, which reads `statements` or `events`, returns a result."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                while (found := find()) is None:
                    await self._news.wait()
                return found
        except TimeoutError:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}") from None

    def statements(self, namespace: str, route: str) -> list[Statement]:
        return self._statements[namespace, route]

    def events(self, namespace: str, route: str) -> list[RouteEvent]:
        return self._events[namespace, route]

    async def _follow(self, resource: Resource, take: Callable[[Mapping[str, Any], float], None]) -> None:
        async with contextlib.aclosing(self._api.watch(resource.at())) as seen:
            async for event in seen:
                if event.kind in {"ADDED", "MODIFIED"}:
                    take(event.object, time.monotonic())
                    async with self._news:
                        self._news.notify_all()

    def _on_route(self, route: Mapping[str, Any], at: float) -> None:
        metadata, status = route["metadata"], route.get("status", {})
        conditions = {
            one["type"]: Condition(f"{one['status']} {one['reason']}", one["message"])
            for one in status.get("conditions", ())
        }
        settled = status.get("observedGeneration") == metadata["generation"]
        self._statements[metadata["namespace"], metadata["name"]].append(Statement(at, settled, conditions))

    def _on_event(self, event: Mapping[str, Any], at: float) -> None:
        regarding = event["regarding"]
        if regarding.get("kind") == "ModelRoute":
            key = regarding["namespace"], regarding["name"]
            self._events[key].append(RouteEvent(at, event["reason"], event.get("note", "")))
