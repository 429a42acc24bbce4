"""kopf against an API server of the test's own: a refused collection does not affect the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from penstock_operator.kube import resources
from penstock_operator.kube.resources import MODEL_ROUTES, PODS, WATCHED, Collection, Resource
from penstock_operator.kube.resources import NAMESPACES as NAMESPACES_KIND
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.kube.watch.namespace_scope import NamespaceScope
from penstock_operator.kube.watch.watcher import ClusterWatcher, Observe, quieten_kopf

NAMESPACES = ["a", "b"]
KNOWN = (
    *WATCHED,
    # kopf waits until these exist, and never requests one of them.
    Resource("", "v1", "namespaces", "Namespace"),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"),
)


class FakeApiServer:
    """Empty lists and silent watches, and a status for refused namespaces."""

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}
        """HTTP status by namespace."""
        self.selectors: dict[str, str] = {}
        """The label selector of the last list or watch, by kind."""
        self.routes = b""
        """The items of each list of ModelRoutes, and the one event of each watch of them, as they are on the wire."""
        self.event = b""
        self._closing = asyncio.Event()
        self._runner = web.AppRunner(self._app())
        self.server = ""

    @property
    def configuration(self) -> Configuration:
        return Configuration(host=self.server)

    async def authorization(self) -> str | None:
        return None

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.server = "http://{}:{}".format(*self._runner.addresses[0])

    async def close(self) -> None:
        self._closing.set()
        await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        collection = resources.of_path(request.path)
        if collection is None:
            return web.json_response(discovered(request.path))
        self.selectors[collection.resource.plural] = request.query.get("labelSelector", "")
        if (status := self.refused.get(collection.namespace)) is not None:
            return web.json_response(
                {"kind": "Status", "message": f"{collection.resource.plural} is refused"}, status=status
            )
        routes = collection == Collection(MODEL_ROUTES, "a")
        if request.query.get("watch") != "true":
            items = self.routes if routes else b""
            body = b'{"items":[' + items + b'],"metadata":{"resourceVersion":"1"}}'
            return web.Response(body=body, content_type="application/json")
        response = web.StreamResponse()
        await response.prepare(request)
        if routes and self.event:
            await response.write(self.event + b"\n")
        await self._closing.wait()
        return response


def discovered(path: str) -> dict[str, Any]:
    """The discovery documents that kopf reads before it watches."""
    if path == "/api":
        return {"versions": ["v1"]}
    if path == "/apis":
        groups = {one.group: {"version": one.version} for one in KNOWN if one.group}
        return {"groups": [{"name": n, "versions": [v], "preferredVersion": v} for n, v in groups.items()]}
    found = [one for one in KNOWN if path in {f"/api/{one.api_version}", f"/apis/{one.api_version}"}]
    verbs = ["list", "watch", "patch"]
    return {
        "resources": [
            {"name": one.plural, "kind": one.kind, "singularName": "", "namespaced": one in WATCHED, "verbs": verbs}
            for one in found
        ]
    }


class Reported:
    """The callbacks of a `ClusterWatcher`, and an event that each sets."""

    def __init__(self) -> None:
        self.listed: set[Collection] = set()
        self.refused: dict[Collection, str] = {}
        self.restarts = 0
        self._changed = asyncio.Event()

    def on_listed(self, collection: Collection) -> None:
        self.listed.add(collection)
        self._changed.set()

    def on_refused(self, collection: Collection, why: str) -> None:
        self.refused[collection] = why
        self._changed.set()

    def on_restarted(self) -> None:
        self.restarts += 1

    async def changed(self) -> None:
        """Waits for the next report."""
        self._changed.clear()
        await self._changed.wait()

    async def until(self, listed: set[str], refused: set[str]) -> None:
        """Waits until all kinds of these namespaces are listed, and those of the others refused."""
        async with asyncio.timeout(20):
            while not (every(listed) <= self.listed and every(refused) <= self.refused.keys()):
                await self.changed()


def every(namespaces: set[str]) -> set[Collection]:
    return {Collection(resource, namespace) for namespace in namespaces for resource in WATCHED}


@contextlib.asynccontextmanager
async def watching(
    server: FakeApiServer,
    reported: Reported,
    observe: Observe = lambda *_: None,
    scope: NamespaceScope | None = None,
) -> AsyncIterator[ClusterWatcher]:
    quieten_kopf()
    await server.start()
    made = ClusterWatcher(
        server,
        scope or NamespaceScope(NAMESPACES, ClusterCache()),
        silence_s=6.0,
        observe=observe,
        listed=reported.on_listed,
        refused=reported.on_refused,
        ended=lambda *_: None,
        restarted=reported.on_restarted,
    )
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await server.close()


@pytest.mark.parametrize("status", [403, 404])
async def test_watcher_reports_a_refused_namespace_and_its_return_without_effect_on_others(status: int) -> None:
    server, reported = FakeApiServer(), Reported()
    server.refused = {"b": status}
    async with watching(server, reported) as made:
        await reported.until(listed={"a"}, refused={"b"})
        assert reported.listed == every({"a"})
        assert "pods is refused" in reported.refused[Collection(PODS, "b")]
        reported.refused.clear()
        await reported.until(listed={"a"}, refused={"b"})
        assert made.liveness.silent_s(asyncio.get_running_loop().time()) < 6.0, "a refusal counts as a response"
        server.refused = {}
        await reported.until(listed={"a", "b"}, refused=set())
    assert reported.restarts == 0


def wire(name: str, version: int, affinity: bytes = b"1") -> bytes:
    """A route as the API server writes it; no encoder of Python reaches this depth."""
    metadata = b'{"namespace":"a","name":"%b","uid":"%b","resourceVersion":"%d"}' % (
        name.encode(),
        name.encode(),
        version,
    )
    return b'{"metadata":%b,"spec":{"worker":{"affinity":%b}}}' % (metadata, affinity)


@pytest.mark.parametrize("depth", [80, 400, 990, 5_000])
async def test_watcher_delivers_other_routes_beside_one_that_is_nested_too_deep(depth: int) -> None:
    server, reported = FakeApiServer(), Reported()
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    server.routes = wire("listed-deep", 1, deep) + b"," + wire("listed", 2)
    server.event = b'{"type":"ADDED","object":%b}\n{"type":"ADDED","object":%b}' % (
        wire("watched-deep", 3, deep),
        wire("watched", 4),
    )
    seen: dict[str, dict[str, Any]] = {}
    all_seen = asyncio.Event()

    def observe(_: Resource, body: dict[str, Any], _deleted: bool) -> None:
        seen[body["metadata"]["name"]] = body
        if len(seen) == 4:
            all_seen.set()

    async with watching(server, reported, observe):
        async with asyncio.timeout(20):
            await all_seen.wait()
    assert seen["watched"]["spec"] == {"worker": {"affinity": 1}}
    assert reported.restarts == 0


@pytest.mark.parametrize(
    ("listed", "selector", "kinds"),
    [("a", "team in (a,b),!old", (*WATCHED, NAMESPACES_KIND)), ("*", "", WATCHED)],
    ids=["selected", "all"],
)
async def test_watcher_of_a_cluster_watches_each_kind_once(
    listed: str, selector: str, kinds: tuple[Resource, ...]
) -> None:
    server, reported = FakeApiServer(), Reported()
    scope = NamespaceScope([listed], ClusterCache(), selector=selector)
    async with watching(server, reported, scope=scope):
        await reported.until({""}, set())
        async with asyncio.timeout(20):
            while reported.listed != {Collection(kind, "") for kind in kinds}:
                await reported.changed()
    assert server.selectors.get("namespaces", "") == selector
    assert server.selectors["pods"] == resources.MANAGED_BY


async def test_watcher_of_a_cluster_reports_a_missing_cluster_role() -> None:
    server, reported = FakeApiServer(), Reported()
    server.refused = {"": 403}
    async with watching(server, reported, scope=NamespaceScope(["*"], ClusterCache())):
        await reported.until(set(), {""})
        server.refused.clear()
        await reported.until({""}, set())
