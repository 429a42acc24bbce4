"""Reconciles the cache with whole lists: finds every change that no watch reported.

A kind is listed after each of kopf's own lists, because kopf does not report objects that were deleted while a watch
was broken, and periodically.

A namespace in which a kind may not be listed or watched (because its Role or the namespace was deleted, for example)
is not served: a partial or outdated cache must not lead to decisions. Other namespaces are not affected. The namespace
is served again once all its lists are complete.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from penstock_operator.kube.api_error import FORBIDDEN_AGAIN_S, ApiError
from penstock_operator.kube.resources import Body, Collection, Key, Resource
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.kube.watch.namespace_scope import ALL, NamespaceScope
from penstock_operator.work_queue import Later, WorkQueue

CONCURRENCY: Final = 2

log = structlog.get_logger("penstock.operator")


class Lister(Protocol):
    async def list(self, resource: Resource, namespace: str) -> list[Body]:
        """Returns every object of a kind that the operator manages. Raises `ApiError`."""


class Resync:
    """Calls `touched` for each route that a list changed, and `whole` for a namespace when it becomes served.

    `whole` gets an empty text if the whole cluster is listed at once.
    """

    def __init__(
        self,
        lister: Lister,
        cache: ClusterCache,
        scope: NamespaceScope,
        *,
        touched: Callable[[Key], None],
        whole: Callable[[str], None],
        resync_s: float,
        draw: Callable[[], float],
    ) -> None:
        self._lister = lister
        self._cache = cache
        self._scope = scope
        self._touched = touched
        self._whole = whole
        self._resync_s = resync_s
        self._draw = draw
        self._missing = set(scope.collections)
        self._refused: set[Collection] = set()
        self._unwatched: set[Collection] = set()
        """The refused collections that are not listed: without a watch a list would become outdated."""
        self._queue: WorkQueue[Collection] = WorkQueue("list", concurrency=CONCURRENCY, draw=draw)
        self.done = asyncio.Event()
        """Set when every namespace is complete or refused, and at least one is complete."""

    @property
    def missing(self) -> str:
        """The collections that are not listed, as text."""
        return ", ".join(sorted(f"{resource.plural} of {namespace or ALL}" for resource, namespace in self._missing))

    def serves(self, namespace: str) -> bool:
        """True if every object of a namespace is in the cache and watched; selected or not."""
        return self._is_complete(self._scope.watched_as(namespace))

    def served(self) -> dict[str, bool]:
        """Each selected namespace, and if it is served; and `*` for the whole cluster; safe to call from any thread."""
        whole = {ALL: self._is_complete("")} if self._scope.cluster_wide else {}
        return whole | {namespace: self.serves(namespace) for namespace in self._scope.selected()}

    def listed(self, collection: Collection) -> None:
        """Call when kopf has listed a collection and watches it, for the first time or again."""
        self._unwatched.discard(collection)
        self._queue.add(collection)

    def refused(self, collection: Collection, why: str) -> None:
        """Call when the API server refuses kopf's list or watch; in force until `listed`."""
        self._unwatched.add(collection)
        self._refuse(collection, why)

    async def run(self) -> None:
        await self._queue.run(self._list)

    async def _list(self, collection: Collection) -> None:
        if collection in self._unwatched:
            return
        resource, namespace = collection
        listing = self._cache.begin_listing(resource, namespace)
        bodies = None
        try:
            bodies = await self._lister.list(resource, namespace)
        except ApiError as error:
            if error.kind in {"Forbidden", "NotFound"}:
                self._refuse(collection, str(error))
                raise Later(FORBIDDEN_AGAIN_S, str(error)) from error
            raise
        finally:
            for key in self._cache.end_listing(listing, bodies):
                self._touched(key)
        if collection in self._unwatched:
            return
        self._complete(collection)
        self._queue.add_after(collection, self._resync_s * (0.9 + 0.2 * self._draw()))

    def _refuse(self, collection: Collection, why: str) -> None:
        resource, namespace = collection
        if not self._is_refused(namespace):
            log.error("operator.namespace_refused", namespace=namespace or ALL, resource=resource.plural, detail=why)
        self._missing.add(collection)
        self._refused.add(collection)
        self._update_done()

    def _complete(self, collection: Collection) -> None:
        _, namespace = collection
        was_complete, was_refused = self._is_complete(namespace), self._is_refused(namespace)
        self._missing.discard(collection)
        self._refused.discard(collection)
        if self._is_complete(namespace) and not was_complete:
            if was_refused:
                log.info("operator.namespace_served", namespace=namespace or ALL)
            self._whole(namespace)
        self._update_done()

    def _is_refused(self, namespace: str) -> bool:
        return any((resource, namespace) in self._refused for resource in self._scope.resources)

    def _is_complete(self, watched: str) -> bool:
        return not any((resource, watched) in self._missing for resource in self._scope.resources)

    def _update_done(self) -> None:
        complete = {namespace for namespace in self._scope.watched if self._is_complete(namespace)}
        if complete and all(namespace in complete or self._is_refused(namespace) for namespace in self._scope.watched):
            self.done.set()
