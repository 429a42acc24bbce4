"""Events of the API server and the broker: the caches that they change, and the routes that they queue."""

import asyncio
from typing import Any

import pytest
from unit.support.routes import route_body, spec_document

from penstock_contract.catalogue import CatalogueEntry
from penstock_operator.event_router import EventRouter
from penstock_operator.kube.resources import MODEL_ROUTES, Key
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.kube.watch.namespace_scope import NamespaceScope
from penstock_operator.routes.publisher import CataloguePublisher
from penstock_operator.routes.registry import RouteRegistry
from penstock_operator.work_queue import WorkQueue


class FakeControlPlane:
    """A broker that accepts every write."""

    async def prepare(self) -> None: ...

    async def apply(self, entry: CatalogueEntry) -> bool:
        del entry
        return True

    async def mark_complete(self) -> None: ...

    async def remove(self, namespace: str, route: str) -> None: ...


class Scene:
    """Events for one served namespace, and the keys in the queue."""

    def __init__(self) -> None:
        self.cache = ClusterCache()
        self.publisher = CataloguePublisher(FakeControlPlane())
        self.registry = RouteRegistry(self.publisher.entry)
        self.queue: WorkQueue[Key] = WorkQueue("reconcile", concurrency=1, draw=lambda: 0.5)
        self.events = EventRouter(
            NamespaceScope(["team"], self.cache), self.cache, self.registry, self.publisher, self.queue
        )

    async def queued(self) -> set[Key]:
        """Removes all keys from the queue."""
        found: set[Key] = set()

        async def handle(key: Key) -> None:
            found.add(key)

        task = asyncio.create_task(self.queue.run(handle))
        await asyncio.sleep(0)  # One task handles all ready keys without a pause.
        task.cancel()
        await asyncio.wait({task})
        return found


def route(name: str = "main", version: str = "1", **metadata: Any) -> dict[str, Any]:
    return route_body(spec_document(), name=name, resourceVersion=version, uid=name, **metadata)


async def test_events_queue_the_route_of_a_changed_object_and_store_both() -> None:
    scene = Scene()
    scene.events.object_changed(MODEL_ROUTES, route(), False)
    assert await scene.queued() == {("team", "main")}
    assert set(scene.registry.routes) == {("team", "main")}
    scene.events.object_changed(MODEL_ROUTES, route(version="2"), True)
    assert await scene.queued() == {("team", "main")}
    assert not scene.registry.routes


async def test_events_queue_every_route_and_entry_of_a_served_namespace_after_a_reconnect() -> None:
    scene = Scene()
    scene.events.object_changed(MODEL_ROUTES, route(), False)
    entry = CatalogueEntry(namespace="team", name="deleted", created_at=1, spec=None, ready=False)
    foreign = CatalogueEntry(namespace="other", name="a", created_at=1, spec=None, ready=False)
    scene.events.catalogue_read({one.key: one for one in (entry, foreign)})
    await scene.queued()
    await scene.events.broker_connected()
    assert await scene.queued() == {("team", "main"), ("team", "deleted")}


@pytest.mark.parametrize(("namespace", "expected"), [("team", {("team", "main")}), ("other", set())])
async def test_events_queue_a_route_without_a_queue_on_the_broker_in_served_namespaces_only(
    namespace: str, expected: set[Key]
) -> None:
    scene = Scene()
    scene.events.queue_missing((namespace, "main"))
    assert await scene.queued() == expected
