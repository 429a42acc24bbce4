"""Brings the world in line with whole lists: what no watch tells is found here.

A kind is listed after each of kopf's own lists (it does not report what went while a watch was broken), and once in a
while whatever happened.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from penstock_operator import resources
from penstock_operator.api_error import ApiError
from penstock_operator.resources import Resource
from penstock_operator.work_queue import Later, WorkQueue
from penstock_operator.world import Key, World

FORBIDDEN_AGAIN_S: Final = 5.0
"""A right that is missing is asked for this often, until somebody has given it."""

log = structlog.get_logger("penstock.operator")


class Lister(Protocol):
    async def list(self, resource: Resource, namespace: str) -> list[dict[str, Any]]:
        """Every object of a kind that is ours. Raises `ApiError`."""


class Sync:
    """`touched` is called for each route for which a list had news."""

    def __init__(
        self,
        lister: Lister,
        world: World,
        namespaces: list[str],
        *,
        touched: Callable[[Key], None],
        resync_s: float,
        draw: Callable[[], float],
    ) -> None:
        self._lister = lister
        self._world = world
        self._touched = touched
        self._resync_s = resync_s
        self._draw = draw
        self._missing = {(resource, namespace) for resource in resources.WATCHED for namespace in namespaces}
        self._queue: WorkQueue[tuple[Resource, str]] = WorkQueue(self._list, concurrency=2, draw=draw)
        self.done = asyncio.Event()
        """Everything has been listed once: the world is whole."""

    @property
    def missing(self) -> str:
        """What has not been listed yet, in words."""
        return ", ".join(sorted(f"{resource.plural} of {namespace}" for resource, namespace in self._missing))

    def listed(self, resource: Resource, namespace: str) -> None:
        """Call when kopf has listed it."""
        self._queue.add((resource, namespace))

    async def run(self) -> None:
        await self._queue.run()

    async def _list(self, collection: tuple[Resource, str]) -> None:
        resource, namespace = collection
        listing = self._world.begin_listing(resource, namespace)
        bodies = None
        try:
            bodies = await self._lister.list(resource, namespace)
        except ApiError as error:
            if error.kind == "Forbidden":
                raise Later(FORBIDDEN_AGAIN_S, str(error)) from error
            raise
        finally:
            for key in self._world.end_listing(listing, bodies):
                self._touched(key)
        self._missing.discard(collection)
        if not self._missing:
            self.done.set()
        self._queue.add_after(collection, self._resync_s * (0.9 + 0.2 * self._draw()))
