"""Brings the world in line with whole lists: what no watch tells is found here.

A kind is listed after each of kopf's own lists (it does not report what went while a watch was broken), and once in a
while whatever happened.

A namespace in which a kind may not be listed or watched (its Role or the namespace itself was deleted, say) is not
served: nothing is decided by half a picture or by one that gets old. The others are, and it is too once it is whole.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.cache import Key, World
from penstock_operator.kube.resources import Resource
from penstock_operator.work_queue import Later, WorkQueue

Collection = tuple[Resource, str]
"""A kind in a namespace."""

FORBIDDEN_AGAIN_S: Final = 5.0
"""A right that is missing is asked for this often, until somebody has given it."""

log = structlog.get_logger("penstock.operator")


class Lister(Protocol):
    async def list(self, resource: Resource, namespace: str) -> list[dict[str, Any]]:
        """Every object of a kind that is ours. Raises `ApiError`."""


class Sync:
    """`touched` is called for each route for which a list had news, `whole` for a namespace that is served now."""

    def __init__(
        self,
        lister: Lister,
        world: World,
        namespaces: list[str],
        *,
        touched: Callable[[Key], None],
        whole: Callable[[str], None],
        resync_s: float,
        draw: Callable[[], float],
    ) -> None:
        self._lister = lister
        self._world = world
        self._namespaces = namespaces
        self._touched = touched
        self._whole = whole
        self._resync_s = resync_s
        self._draw = draw
        self._missing = {(resource, namespace) for resource in resources.WATCHED for namespace in namespaces}
        self._refused: set[Collection] = set()
        self._unwatched: set[Collection] = set()
        """Those of the refused that are not worth a list: what is in it would get old."""
        self._queue: WorkQueue[Collection] = WorkQueue(self._list, concurrency=2, draw=draw)
        self.done = asyncio.Event()
        """Every namespace has been whole once or is refused, and not all of them are refused."""

    @property
    def missing(self) -> str:
        """What is not listed, in words."""
        return ", ".join(sorted(f"{resource.plural} of {namespace}" for resource, namespace in self._missing))

    def serves(self, namespace: str) -> bool:
        """Whether everything in a namespace is known, and heard of when it changes."""
        return not any((resource, namespace) in self._missing for resource in resources.WATCHED)

    def served(self) -> dict[str, bool]:
        """Whether it is served, of each namespace; from any thread."""
        return {namespace: self.serves(namespace) for namespace in self._namespaces}

    def listed(self, resource: Resource, namespace: str) -> None:
        """Call when kopf has listed it and watches it, for the first time or again."""
        self._unwatched.discard((resource, namespace))
        self._queue.add((resource, namespace))

    def refused(self, resource: Resource, namespace: str, why: str) -> None:
        """Call when kopf may not list or watch it; until it is `listed`."""
        self._unwatched.add((resource, namespace))
        self._refuse((resource, namespace), why)

    async def run(self) -> None:
        await self._queue.run()

    async def _list(self, collection: Collection) -> None:
        if collection in self._unwatched:
            return
        resource, namespace = collection
        listing = self._world.begin_listing(resource, namespace)
        bodies = None
        try:
            bodies = await self._lister.list(resource, namespace)
        except ApiError as error:
            if error.kind in {"Forbidden", "NotFound"}:
                self._refuse(collection, str(error))
                raise Later(FORBIDDEN_AGAIN_S, str(error)) from error
            raise
        finally:
            for key in self._world.end_listing(listing, bodies):
                self._touched(key)
        if collection in self._unwatched:
            return
        self._complete(collection)
        self._queue.add_after(collection, self._resync_s * (0.9 + 0.2 * self._draw()))

    def _refuse(self, collection: Collection, why: str) -> None:
        resource, namespace = collection
        if not self._is_refused(namespace):
            log.error("operator.namespace_refused", namespace=namespace, resource=resource.plural, detail=why)
        self._missing.add(collection)
        self._refused.add(collection)
        self._look_whether_done()

    def _complete(self, collection: Collection) -> None:
        _, namespace = collection
        was_served, was_refused = self.serves(namespace), self._is_refused(namespace)
        self._missing.discard(collection)
        self._refused.discard(collection)
        if self.serves(namespace) and not was_served:
            if was_refused:
                log.info("operator.namespace_served", namespace=namespace)
            self._whole(namespace)
        self._look_whether_done()

    def _is_refused(self, namespace: str) -> bool:
        return any((resource, namespace) in self._refused for resource in resources.WATCHED)

    def _look_whether_done(self) -> None:
        served = {namespace for namespace in self._namespaces if self.serves(namespace)}
        if served and all(namespace in served or self._is_refused(namespace) for namespace in self._namespaces):
            self.done.set()
