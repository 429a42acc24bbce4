"""Which namespaces are watched and served: listed, selected by labels, or all."""

from typing import Any

import pytest

from penstock_operator.kube import resources
from penstock_operator.kube.resources import DEPLOYMENTS, MODEL_ROUTES, NAMESPACES, PODS, WATCHED, Collection
from penstock_operator.kube.watch.cache import ClusterCache
from penstock_operator.kube.watch.namespace_scope import ALL, NamespaceScope


def namespace(name: str, version: int = 1) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}}


def route(of: str, name: str = "main") -> dict[str, Any]:
    return {"metadata": {"namespace": of, "name": name, "uid": f"{of}-{name}", "resourceVersion": "1"}}


def test_namespace_scope_of_a_list_watches_each_namespace() -> None:
    scope = NamespaceScope(["a", "b"], ClusterCache())
    assert not scope.cluster_wide
    assert scope.watched == ("a", "b")
    assert scope.collections == tuple(Collection(kind, of) for of in "ab" for kind in WATCHED)
    assert [scope.selects(one) for one in ("a", "b", "c")] == [True, True, False]
    assert scope.watched_as("b") == "b"
    assert scope.selected() == ["a", "b"]


def test_namespace_scope_of_a_selector_follows_the_namespaces_that_the_api_server_reports() -> None:
    cache = ClusterCache()
    scope = NamespaceScope(["own"], cache, selector="team=a")
    assert scope.cluster_wide
    assert set(scope.collections) == {Collection(kind, "") for kind in (*WATCHED, NAMESPACES)}
    assert (scope.watched_as("x"), scope.selected()) == ("", ["own"])
    cache.observe(MODEL_ROUTES, route("x"), deleted=False)
    cache.observe(MODEL_ROUTES, route("y"), deleted=False)

    assert cache.observe(NAMESPACES, namespace("x"), deleted=False) == {("x", "main")}
    assert [scope.selects(one) for one in ("own", "x", "y")] == [True, True, False]
    assert scope.selected() == ["own", "x"]
    # The watch reports a namespace whose labels changed as deleted.
    assert cache.observe(NAMESPACES, namespace("x", 2), deleted=True) == {("x", "main")}
    assert not scope.selects("x")

    listing = cache.begin_listing(NAMESPACES, "")
    assert cache.end_listing(listing, [namespace("y")]) == {("y", "main")}
    assert scope.selects("y")


def test_namespace_scope_of_all_watches_no_namespaces() -> None:
    scope = NamespaceScope([ALL], ClusterCache(), selector="")
    assert set(scope.collections) == {Collection(kind, "") for kind in WATCHED}
    assert scope.selects("any")
    assert scope.selected() == [ALL]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", Collection(PODS, "")),
        ("/api/v1/namespaces", Collection(NAMESPACES, "")),
        ("/apis/apps/v1/deployments", Collection(DEPLOYMENTS, "")),
        ("/api/v1/namespaces/pods", None),
        ("/api/v1/namespaces/ns/pods/pods", None),
        ("/apis/apps/v1", None),
        ("/api", None),
    ],
)
def test_resources_cluster_wide_paths_are_collections(path: str, expected: Collection | None) -> None:
    assert resources.of_path(path) == expected
    if expected is not None:
        assert expected.resource.path("") == path
        assert resources.label(path) == expected.resource.plural


def test_cache_list_of_the_whole_cluster_removes_objects_of_every_namespace() -> None:
    cache = ClusterCache()
    for of in ("x", "y"):
        cache.observe(MODEL_ROUTES, route(of), deleted=False)
    listing = cache.begin_listing(MODEL_ROUTES, "")
    assert cache.end_listing(listing, [route("x")]) == {("y", "main")}
    assert set(cache.routes()) == {("x", "main")}
