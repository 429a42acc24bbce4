"""The cache ignores older versions, and the next list contains missed events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.kube import resources
from penstock_operator.kube.resources import DEPLOYMENTS, MODEL_ROUTES, PODS, Resource
from penstock_operator.kube.watch.cache import ClusterCache

NAMESPACE = "models"
ROUTE = (NAMESPACE, "main")


def route(version: int, *, uid: str = "r1", name: str = "main", namespace: str = NAMESPACE) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(version)},
        "spec": {"version": version},
    }


def owned(name: str, version: int, *, uid: str = "o1", label: str | None = "main", owner: str | None = None) -> Any:
    metadata: dict[str, Any] = {"namespace": NAMESPACE, "name": name, "uid": uid, "resourceVersion": str(version)}
    if label is not None:
        metadata["labels"] = {"penstock.dev/route": label}
    if owner is not None:
        metadata["ownerReferences"] = [{"kind": "ModelRoute", "name": owner}, {"kind": "Other", "name": "x"}]
    return {"metadata": metadata}


def test_cache_event_concerns_the_route_or_the_owner_of_the_object() -> None:
    cache = ClusterCache()
    assert cache.observe(MODEL_ROUTES, route(1), deleted=False) == {ROUTE}
    assert cache.observe(DEPLOYMENTS, owned("main-worker", 2), deleted=False) == {ROUTE}
    assert cache.observe(PODS, owned("p", 3, label=None, owner="main"), deleted=False) == {ROUTE}
    assert cache.observe(PODS, owned("stray", 4, label=None), deleted=False) == set()


def test_cache_reports_both_routes_of_an_object_with_a_new_owner() -> None:
    cache = ClusterCache()
    cache.observe(DEPLOYMENTS, owned("main-worker", 1), deleted=False)
    changed = owned("main-worker", 2, label="other")
    assert cache.observe(DEPLOYMENTS, changed, deleted=False) == {ROUTE, (NAMESPACE, "other")}


@pytest.mark.parametrize("version", [4, 5])
def test_cache_ignores_a_version_that_is_not_newer(version: int) -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(5), deleted=False)
    assert cache.observe(MODEL_ROUTES, route(version) | {"spec": "old"}, deleted=False) == set()
    assert cache.snapshot(ROUTE).route == route(5)


def test_cache_compares_versions_as_numbers() -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(9), deleted=False)
    assert cache.observe(MODEL_ROUTES, route(10), deleted=False) == {ROUTE}


def test_cache_ignores_the_deletion_of_an_earlier_object_of_the_same_name() -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(5, uid="new"), deleted=False)
    assert cache.observe(MODEL_ROUTES, route(4, uid="old"), deleted=True) == set()
    assert cache.snapshot(ROUTE).route is not None


def test_cache_removes_a_deleted_object_and_reports_its_route() -> None:
    cache = ClusterCache()
    cache.observe(PODS, owned("p", 1), deleted=False)
    assert [pod["metadata"]["name"] for pod in cache.snapshot(ROUTE).pods] == ["p"]
    assert cache.observe(PODS, owned("p", 2), deleted=True) == {ROUTE}
    assert cache.snapshot(ROUTE).pods == []


def test_cache_moves_a_pod_with_a_changed_label_to_its_new_route() -> None:
    cache = ClusterCache()
    cache.observe(PODS, owned("p", 1), deleted=False)
    assert cache.observe(PODS, owned("p", 2, label=None), deleted=False) == {ROUTE}
    assert cache.snapshot(ROUTE).pods == []
    cache.observe(PODS, owned("p", 3, label="other"), deleted=False)
    assert len(cache.snapshot((NAMESPACE, "other")).pods) == 1
    cache.observe(PODS, owned("p", 4, label=None), deleted=True)
    assert not cache._pods


def test_cache_stores_objects_of_a_list() -> None:
    cache = ClusterCache()
    listing = cache.begin_listing(MODEL_ROUTES, NAMESPACE)
    assert cache.end_listing(listing, [route(1), route(2, name="two", uid="r2")]) == {ROUTE, (NAMESPACE, "two")}
    assert set(cache.routes()) == {ROUTE, (NAMESPACE, "two")}


def test_cache_removes_objects_missing_in_a_list_of_their_namespace_only() -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(1), deleted=False)
    cache.observe(MODEL_ROUTES, route(2, namespace="elsewhere", uid="r2"), deleted=False)
    listing = cache.begin_listing(MODEL_ROUTES, NAMESPACE)
    assert cache.end_listing(listing, []) == {ROUTE}
    assert set(cache.routes()) == {("elsewhere", "main")}


def test_cache_applies_a_list_that_is_older_than_its_objects() -> None:
    """The API server's store was restored from a backup, and counts its versions from there."""
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(50), deleted=False)
    cache.observe(PODS, owned("p", 60), deleted=False)
    assert cache.end_listing(cache.begin_listing(MODEL_ROUTES, NAMESPACE), [route(20)]) == {ROUTE}
    assert cache.end_listing(cache.begin_listing(PODS, NAMESPACE), [owned("p", 21, label="other")]) == {
        ROUTE,
        (NAMESPACE, "other"),
    }
    assert cache.snapshot(ROUTE).route == route(20)
    assert cache.snapshot(ROUTE).pods == []
    assert cache.observe(MODEL_ROUTES, route(22), deleted=False) == {ROUTE}, "events count from there too"


def test_cache_reports_nothing_for_an_equal_list() -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(5), deleted=False)
    assert cache.end_listing(cache.begin_listing(MODEL_ROUTES, NAMESPACE), [route(5)]) == set()


@pytest.mark.parametrize("cached", [1, None])
def test_cache_prefers_an_event_that_arrived_during_a_list(cached: int | None) -> None:
    cache = ClusterCache()
    if cached is not None:
        cache.observe(MODEL_ROUTES, route(cached), deleted=False)
    listing = cache.begin_listing(MODEL_ROUTES, NAMESPACE)
    cache.observe(MODEL_ROUTES, route(7), deleted=False)
    assert cache.end_listing(listing, [route(5)]) == set()
    assert cache.snapshot(ROUTE).route == route(7)


def test_cache_prefers_a_list_over_earlier_events() -> None:
    cache = ClusterCache()
    listing = cache.begin_listing(MODEL_ROUTES, NAMESPACE)
    cache.observe(MODEL_ROUTES, route(5), deleted=False)
    assert cache.end_listing(listing, [route(7)]) == {ROUTE}


def test_cache_keeps_an_object_that_replaced_a_listed_one_meanwhile() -> None:
    cache = ClusterCache()
    listing = cache.begin_listing(MODEL_ROUTES, NAMESPACE)
    cache.observe(MODEL_ROUTES, route(7, uid="new"), deleted=False)
    assert cache.end_listing(listing, [route(5, uid="old")]) == set()
    assert cache.snapshot(ROUTE).route == route(7, uid="new")


def test_cache_keeps_its_objects_after_a_failed_list() -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(1), deleted=False)
    assert cache.end_listing(cache.begin_listing(MODEL_ROUTES, NAMESPACE), None) == set()
    assert set(cache.routes()) == {ROUTE}


def test_cache_keeps_an_object_that_was_created_during_a_list() -> None:
    cache = ClusterCache()
    listing = cache.begin_listing(MODEL_ROUTES, NAMESPACE)
    cache.observe(MODEL_ROUTES, route(7), deleted=False)
    assert cache.end_listing(listing, []) == set()
    assert set(cache.routes()) == {ROUTE}


def test_cache_does_not_restore_an_object_that_was_deleted_during_a_list() -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(1), deleted=False)
    listing = cache.begin_listing(MODEL_ROUTES, NAMESPACE)
    cache.observe(MODEL_ROUTES, route(3), deleted=True)
    assert cache.end_listing(listing, [route(1)]) == set()
    assert not cache.routes()


def test_cache_keeps_an_object_that_was_created_again_during_a_list() -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(1, uid="old"), deleted=False)
    listing = cache.begin_listing(MODEL_ROUTES, NAMESPACE)
    cache.observe(MODEL_ROUTES, route(3, uid="new"), deleted=False)
    assert cache.end_listing(listing, []) == set()
    assert set(cache.routes()) == {ROUTE}


@given(
    st.permutations([(1, False), (2, False), (3, False), (4, True)]),
    st.sampled_from([MODEL_ROUTES, DEPLOYMENTS]),
)
def test_cache_is_right_after_the_next_list_in_any_order_of_lists_and_events(
    events: list[tuple[int, bool]], resource: Resource
) -> None:
    cache = ClusterCache()
    for version, deleted in events:
        cache.observe(resource, owned("main-worker", version), deleted=deleted)
    cache.end_listing(cache.begin_listing(resource, NAMESPACE), [owned("main-worker", 9, uid="o2")])
    assert cache._objects[resource] == {(NAMESPACE, "main-worker"): owned("main-worker", 9, uid="o2")}


def test_cache_snapshot_has_the_objects_of_one_route_only() -> None:
    cache = ClusterCache()
    cache.observe(MODEL_ROUTES, route(1), deleted=False)
    for number, resource in enumerate(resources.WATCHED[1:], start=2):
        cache.observe(resource, owned("main-worker", number, uid=f"u{number}"), deleted=False)
        cache.observe(resource, owned("other-worker", number, uid=f"v{number}", label="other"), deleted=False)
    found = cache.snapshot(ROUTE)
    objects = [found.route, found.deployment, found.disruption_budget, found.service_account, *found.pods]
    assert [body["metadata"]["name"] for body in objects if body] == ["main", *["main-worker"] * 4]
