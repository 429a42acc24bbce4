"""Routes reports of the API server and of the broker to the caches that they change and the queue that they fill.

Independent of start, leadership and reconcile passes: it only decides which routes need another pass.
"""

from penstock_contract.catalogue import CatalogueEntry
from penstock_operator.kube.resources import Body, Key, Resource
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.kube.watch.namespace_scope import NamespaceScope
from penstock_operator.routes.publisher import CataloguePublisher
from penstock_operator.routes.registry import RouteRegistry
from penstock_operator.work_queue import WorkQueue


class EventRouter:
    def __init__(
        self,
        scope: NamespaceScope,
        cache: ClusterCache,
        registry: RouteRegistry,
        publisher: CataloguePublisher,
        queue: WorkQueue[Key],
    ) -> None:
        self._scope = scope
        self._cache = cache
        self._registry = registry
        self._publisher = publisher
        self._queue = queue

    # The API server

    def object_changed(self, resource: Resource, body: Body, deleted: bool) -> None:
        """A watch reported an object."""
        for key in self._cache.observe(resource, body, deleted=deleted):
            self.route_changed(key)

    def route_changed(self, key: Key) -> None:
        """An object of the route is new, changed or gone."""
        # Reads the spec at once and for every route: model names can be assigned only when all routes were read.
        # One of a namespace that is not selected has no names.
        self._registry.update(key, self._cache.routes().get(key) if self._scope.selects(key[0]) else None)
        self._queue.add(key)

    def queue_namespace(self, namespace: str) -> None:
        """Queues every route of a namespace, and every catalogue entry whose route was deleted unnoticed.

        Empty namespace: those of the whole cluster.
        """
        for key in self._cache.routes():
            if namespace in {"", key[0]}:
                self.route_changed(key)
        for name in self._publisher.names():
            its_namespace, _, route = name.partition(".")
            if namespace in {"", its_namespace}:
                self._queue.add((its_namespace, route))

    def queue_all(self) -> None:
        for namespace in self._scope.watched:
            self.queue_namespace(namespace)

    # The broker

    async def broker_connected(self) -> None:
        self._publisher.reconnected()
        self.queue_all()

    def catalogue_read(self, entries: dict[str, CatalogueEntry]) -> None:
        self._publisher.replace(entries)
        self.queue_all()

    def entry_changed(self, name: str, entry: CatalogueEntry | None) -> None:
        if self._publisher.put(name, entry):
            namespace, _, route = name.partition(".")
            self._queue.add((namespace, route))

    def catalogue_deleted(self) -> None:
        for name in self._publisher.names():
            self._publisher.invalidate(name)
        self._publisher.reconnected()
        self.queue_all()

    def queue_missing(self, key: Key) -> None:
        """A route's queue on the broker does not exist."""
        if self._scope.selects(key[0]):
            self._publisher.invalidate(f"{key[0]}.{key[1]}")
            self._queue.add(key)
