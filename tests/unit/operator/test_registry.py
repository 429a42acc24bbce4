"""The route registry: which specs are parsed again, and which routes a change concerns."""

from typing import Any

from unit.support.routes import CREATED_AT, route_body, spec, spec_document

from penstock_contract.catalogue import CatalogueEntry
from penstock_operator.routes.registry import RouteRegistry

MAIN, OTHER = ("team", "main"), ("team", "other")


def register(*bodies: dict[str, Any]) -> RouteRegistry:
    made = RouteRegistry(lambda _: None)
    for body in bodies:
        made.update((body["metadata"]["namespace"], body["metadata"]["name"]), body)
    return made


def other(*names: str, **metadata: Any) -> dict[str, Any]:
    made = {"uid": "u2", "creationTimestamp": "2026-01-02T00:00:00Z", **metadata}
    return route_body(spec_document(*names), name="other", **made)


def test_registry_first_assignment_changes_every_route_and_a_second_none() -> None:
    made = register(route_body(), other("else"))
    assert made.assign_models() == {MAIN, OTHER}
    assert made.assign_models() == set()


def test_a_status_that_was_written_is_no_change() -> None:
    made = register(route_body())
    made.assign_models()
    read = made.routes[MAIN]
    assert made.update(MAIN, route_body() | {"status": {"replicas": 1}}) is read
    assert made.assign_models() == set()


def test_a_new_generation_is_read_again() -> None:
    made = register(route_body())
    made.assign_models()
    route = made.update(MAIN, route_body(spec_document("new"), generation=2))
    assert route is not None
    assert route.spec is not None
    assert [model.name for model in route.spec.models] == ["new"]
    assert made.assign_models() == {MAIN}


def test_a_route_that_was_made_anew_under_its_name_is_read_again() -> None:
    made = register(route_body())
    made.assign_models()
    route = made.update(MAIN, route_body(uid="another"))
    assert route is not None
    assert route.uid == "another"


def test_a_name_that_is_freed_concerns_the_route_that_waits_for_it() -> None:
    made = register(route_body(), other("gpt"))
    made.assign_models()
    assert made.served(OTHER) is None
    assert made.update(MAIN, None) is None
    assert made.assign_models() == {OTHER}
    assert made.served(OTHER) is not None
    assert made.served(MAIN) is None


def test_a_route_that_is_being_deleted_serves_nothing_and_holds_no_name() -> None:
    made = register(route_body(deletionTimestamp="2026-01-01T00:01:00Z"), other("gpt"))
    made.assign_models()
    assert made.served(MAIN) is None
    assert made.served(OTHER) is not None


def test_a_version_that_was_refused_is_not_served_until_it_changes() -> None:
    made = register(route_body())
    made.assign_models()
    made.refuse(made.routes[MAIN], "no")
    assert made.assign_models() == {MAIN}
    assert made.served(MAIN) is None
    assert "no" in made.routes[MAIN].problem
    made.update(MAIN, route_body(generation=2))
    made.assign_models()
    assert made.served(MAIN) is not None


def test_a_refused_version_counts_again_once_it_is_reconsidered_and_not_after_a_change() -> None:
    made = register(route_body())
    made.assign_models()
    read = made.routes[MAIN]
    made.refuse(read, "not on Sundays")
    assert made.assign_models() == {MAIN}
    assert made.refused(MAIN) is read
    made.refuse(read, "not on Mondays")
    assert "not on Mondays" in made.routes[MAIN].problem
    made.reconsider(MAIN)
    assert made.routes[MAIN] is read
    assert made.refused(MAIN) is None
    made.refuse(read, "not on Sundays")
    made.update(MAIN, route_body(generation=2))
    assert made.refused(MAIN) is None
    made.reconsider(MAIN)
    assert made.routes[MAIN].generation == 2


def test_a_refusal_of_an_earlier_version_does_not_touch_the_one_that_is_there_now() -> None:
    made = register(route_body())
    made.assign_models()
    earlier = made.routes[MAIN]
    made.update(MAIN, route_body(generation=2))
    made.refuse(earlier, "no")
    assert made.routes[MAIN].generation == 2
    assert not made.routes[MAIN].problem


UNREADABLE = {"models": "no list"}


def entry(*names: str) -> CatalogueEntry:
    return CatalogueEntry(namespace="team", name="main", created_at=CREATED_AT, spec=spec(*names))


def test_a_catalogue_that_is_read_late_brings_back_the_last_good_version_and_its_names() -> None:
    catalogue: dict[str, CatalogueEntry] = {}
    made = RouteRegistry(catalogue.get)
    made.update(MAIN, route_body(UNREADABLE, generation=2))
    made.update(OTHER, other("gpt"))
    made.assign_models()
    assert made.served(MAIN) is None
    assert made.served(OTHER) is not None
    catalogue["team.main"] = entry("gpt")
    assert made.assign_models() == {MAIN, OTHER}
    assert made.served(MAIN) == spec("gpt")
    assert made.served(OTHER) is None
    assert made.assign_models() == set()


def test_registry_ignores_the_catalogue_for_a_route_whose_spec_is_served() -> None:
    catalogue: dict[str, CatalogueEntry] = {}
    made = RouteRegistry(catalogue.get)
    made.update(MAIN, route_body())
    made.assign_models()
    ownership = made.ownership
    catalogue["team.main"] = entry("gpt", "older")
    assert made.assign_models() == set()
    assert made.ownership is ownership
