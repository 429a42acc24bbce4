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


def test_registry_takes_a_written_status_for_no_change() -> None:
    made = register(route_body())
    made.assign_models()
    read = made.routes[MAIN]
    assert made.update(MAIN, route_body() | {"status": {"replicas": 1}}) is read
    assert made.assign_models() == set()


def test_registry_parses_a_new_generation() -> None:
    made = register(route_body())
    made.assign_models()
    route = made.update(MAIN, route_body(spec_document("new"), generation=2))
    assert route is not None
    assert route.spec is not None
    assert [model.name for model in route.spec.models] == ["new"]
    assert made.assign_models() == {MAIN}


def test_registry_parses_a_recreated_route() -> None:
    made = register(route_body())
    made.assign_models()
    route = made.update(MAIN, route_body(uid="another"))
    assert route is not None
    assert route.uid == "another"


def test_registry_queues_the_route_that_waits_for_a_freed_name() -> None:
    made = register(route_body(), other("gpt"))
    made.assign_models()
    assert made.served(OTHER) is None
    assert made.update(MAIN, None) is None
    assert made.assign_models() == {OTHER}
    assert made.served(OTHER) is not None
    assert made.served(MAIN) is None


def test_registry_terminating_route_serves_nothing_and_owns_no_name() -> None:
    made = register(route_body(deletionTimestamp="2026-01-01T00:01:00Z"), other("gpt"))
    made.assign_models()
    assert made.served(MAIN) is None
    assert made.served(OTHER) is not None


def test_registry_does_not_serve_a_rejected_version_until_it_changes() -> None:
    made = register(route_body())
    made.assign_models()
    made.refuse(made.routes[MAIN], "no")
    assert made.assign_models() == {MAIN}
    assert made.served(MAIN) is None
    assert "no" in made.routes[MAIN].problem
    made.update(MAIN, route_body(generation=2))
    made.assign_models()
    assert made.served(MAIN) is not None


def test_registry_counts_a_reconsidered_version_again_and_not_after_a_change() -> None:
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


def test_registry_ignores_the_rejection_of_an_earlier_version() -> None:
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


def test_registry_restores_the_last_good_version_and_its_names_from_a_late_catalogue() -> None:
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
