"""Lists of all objects: the times of their requests, and the completion of the cache."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

from unit.support.virtual_time import virtual_time

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import FORBIDDEN_AGAIN_S, ApiError
from penstock_operator.kube.resources import MODEL_ROUTES, WATCHED, Collection, Key, Resource
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.kube.watch.namespace_scope import NamespaceScope
from penstock_operator.kube.watch.resync import Resync

RESYNC_S = 600.0


class FakeLister:
    def __init__(self) -> None:
        self.refused: set[str] = set()
        """Namespaces."""
        self.bodies: list[dict[str, Any]] = []
        self.errors: list[ApiError] = []
        self.lists: list[tuple[str, float]] = []

    async def list(self, resource: Resource, namespace: str) -> list[dict[str, Any]]:
        self.lists.append((f"{namespace}/{resource.plural}", asyncio.get_running_loop().time()))
        await asyncio.sleep(0.01)
        if namespace in self.refused:
            raise ApiError("Forbidden", f"cannot list {resource.plural} in {namespace}")
        if self.errors:
            raise self.errors.pop(0)
        return self.bodies if resource == MODEL_ROUTES else []


def route(name: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "uid": name, "resourceVersion": "1"}}


@contextlib.asynccontextmanager
async def syncing(
    lister: FakeLister, touched: list[Key], *namespaces: str, whole: list[str] | None = None
) -> AsyncIterator[tuple[Resync, ClusterCache]]:
    cache = ClusterCache()
    sync = Resync(
        lister,
        cache,
        NamespaceScope(namespaces or ("ns",), cache),
        touched=touched.append,
        whole=([] if whole is None else whole).append,
        resync_s=RESYNC_S,
        draw=lambda: 0.5,
    )
    task = asyncio.create_task(sync.run())
    yield sync, cache
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@virtual_time
async def test_resync_is_complete_when_every_kind_was_listed() -> None:
    lister, touched = FakeLister(), list[Key]()
    lister.bodies = [route("a")]
    async with syncing(lister, touched) as (sync, cache):
        for resource in WATCHED[1:]:
            sync.listed(Collection(resource, "ns"))
        await asyncio.sleep(1)
        assert not sync.done.is_set()
        assert sync.missing == "modelroutes of ns"
        sync.listed(Collection(MODEL_ROUTES, "ns"))
        await sync.done.wait()
        assert set(cache.routes()) == {("ns", "a")}
        assert touched == [("ns", "a")]


@virtual_time
async def test_resync_lists_periodically_and_reports_only_changes() -> None:
    lister, touched = FakeLister(), list[Key]()
    lister.bodies = [route("a")]
    async with syncing(lister, touched) as (sync, cache):
        sync.listed(Collection(MODEL_ROUTES, "ns"))
        await asyncio.sleep(RESYNC_S - 1)
        assert len(lister.lists) == 1
        lister.bodies = [route("b")]
        await asyncio.sleep(2)
        assert len(lister.lists) == 2
        assert set(cache.routes()) == {("ns", "b")}
        assert sorted(touched) == [("ns", "a"), ("ns", "a"), ("ns", "b")]


@virtual_time
async def test_resync_retries_a_failed_list_and_changes_nothing() -> None:
    lister, touched = FakeLister(), list[Key]()
    lister.bodies = [route("a")]
    async with syncing(lister, touched) as (sync, cache):
        sync.listed(Collection(MODEL_ROUTES, "ns"))
        await asyncio.sleep(1)
        lister.errors = [ApiError("Unavailable", "away")] * 3
        sync.listed(Collection(MODEL_ROUTES, "ns"))
        await asyncio.sleep(30)
        assert len(lister.lists) == 5
        assert set(cache.routes()) == {("ns", "a")}


@virtual_time
async def test_resync_retries_a_forbidden_list_at_a_constant_interval() -> None:
    lister, touched = FakeLister(), list[Key]()
    lister.errors = [ApiError("Forbidden", "no")] * 3
    async with syncing(lister, touched) as (sync, _):
        sync.listed(Collection(resources.PODS, "ns"))
        await asyncio.sleep(60)
    times = [at for _, at in lister.lists]
    waits = [round(after - before, 1) for before, after in itertools.pairwise(times)]
    assert waits == [FORBIDDEN_AGAIN_S] * 3


def all_listed(sync: Resync, *namespaces: str) -> None:
    for namespace in namespaces:
        for resource in WATCHED:
            sync.listed(Collection(resource, namespace))


@virtual_time
async def test_resync_serves_other_namespaces_beside_a_forbidden_one() -> None:
    lister, whole = FakeLister(), list[str]()
    async with syncing(lister, [], "a", "b", whole=whole) as (sync, _):
        all_listed(sync, "a")
        await asyncio.sleep(1)
        assert not sync.done.is_set(), "namespace b is not listed yet"
        for resource in WATCHED:
            sync.refused(Collection(resource, "b"), "no")
        await sync.done.wait()
        assert sync.served() == {"a": True, "b": False}
        assert whole == ["a"]


@virtual_time
async def test_resync_decides_nothing_while_every_namespace_is_forbidden() -> None:
    async with syncing(FakeLister(), [], "a", "b") as (sync, _):
        for resource in WATCHED:
            sync.refused(Collection(resource, "a"), "no")
            sync.refused(Collection(resource, "b"), "no")
        await asyncio.sleep(60)
        assert not sync.done.is_set()


@virtual_time
async def test_resync_does_not_serve_a_namespace_with_one_forbidden_kind() -> None:
    whole = list[str]()
    async with syncing(FakeLister(), [], "a", "b", whole=whole) as (sync, _):
        all_listed(sync, "a", "b")
        await asyncio.sleep(1)
        sync.refused(Collection(resources.PODS, "b"), "no")
        assert sync.served() == {"a": True, "b": False}
        assert sync.missing == "pods of b"
        await asyncio.sleep(2 * RESYNC_S)
        assert not sync.serves("b"), "what may be listed and not watched gets old"
        sync.listed(Collection(resources.PODS, "b"))
        await asyncio.sleep(1)
        assert sync.serves("b")
        assert whole == ["a", "b", "b"]


@virtual_time
async def test_resync_serves_a_namespace_within_seconds_of_its_granted_right() -> None:
    lister, whole = FakeLister(), list[str]()
    async with syncing(lister, [], "a", "b", whole=whole) as (sync, _):
        lister.refused = {"b"}
        all_listed(sync, "a", "b")
        await sync.done.wait()
        assert not sync.serves("b")
        lister.refused = set()
        await asyncio.sleep(FORBIDDEN_AGAIN_S + 1)
        assert whole == ["a", "b"]
