"""Owners of model names, and the versions that routes may serve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.routes import spec

from penstock_contract.catalogue import Catalogue, CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.routes.model_ownership import (
    Claimant,
    ClaimRule,
    Conflict,
    ModelGrant,
    ModelOwnership,
    assign,
    names,
    without,
)


def claimant(
    name: str, *wanted: str, at: int = 0, namespace: str = "team", last_good: ModelRouteSpec | None = None
) -> Claimant:
    return Claimant(
        namespace=namespace,
        name=name,
        created_at=at,
        wanted=spec(*wanted) if wanted else None,
        last_good=last_good,
    )


def serves(ownership: ModelOwnership, key: str) -> list[str] | None:
    served = ownership.grants[key].serves
    return None if served is None else names(served)


def test_model_ownership_grants_names_without_another_owner() -> None:
    ownership = assign([claimant("a", "x", "y"), claimant("b", "z")])

    assert ownership.grants["team.a"] == ModelGrant(spec("x", "y"))
    assert ownership.owners == {"x": "team/a", "y": "team/a", "z": "team/b"}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (claimant("b", "x", at=1), claimant("a", "x", at=2)),
        (claimant("a", "x", at=1), claimant("b", "x", at=1)),
        (claimant("b", "x", namespace="m"), claimant("a", "x", namespace="n")),
    ],
    ids=["by age", "of one age by name", "of one age by namespace"],
)
def test_model_ownership_leaves_a_name_to_the_older_route(older: Claimant, newer: Claimant) -> None:
    for order in ([older, newer], [newer, older]):
        ownership = assign(order)
        owner = f"{older.namespace}/{older.name}"

        assert ownership.owners == {"x": owner}
        assert ownership.grants[newer.key] == ModelGrant(None, (Conflict("x", owner),))


def test_model_ownership_treats_an_alias_as_a_name() -> None:
    aliased = spec(models=[{"name": "x", "aliases": ["y"]}])
    ownership = assign([claimant("a", "y"), Claimant(namespace="team", name="b", created_at=1, wanted=aliased)])

    assert ownership.grants["team.b"].conflicts == (Conflict("y", "team/a"),)


def test_model_ownership_grants_the_wildcard_once_and_no_other_name_with_it() -> None:
    ownership = assign([claimant("a", "*"), claimant("b", "*", at=1), claimant("c", "x", at=2)])

    assert ownership.grants["team.b"].conflicts == (Conflict("*", "team/a"),)
    assert serves(ownership, "team.c") == ["x"]


def test_model_ownership_keeps_the_last_good_version_of_a_route_in_conflict() -> None:
    ownership = assign([claimant("a", "x"), claimant("b", "x", "y", at=1, last_good=spec("y"))])

    assert serves(ownership, "team.b") == ["y"]
    assert ownership.grants["team.b"].conflicts == (Conflict("x", "team/a"),)


def test_model_ownership_keeps_the_last_good_version_and_names_of_an_unservable_route() -> None:
    ownership = assign([claimant("a", last_good=spec("x")), claimant("b", "x", at=1)])

    assert serves(ownership, "team.a") == ["x"]
    assert ownership.grants["team.b"].conflicts == (Conflict("x", "team/a"),)


def test_model_ownership_removes_a_name_of_an_older_route_from_the_last_good_version() -> None:
    ownership = assign([claimant("a", "x"), claimant("b", "x", "y", at=1, last_good=spec("x", "y"))])

    assert serves(ownership, "team.b") == ["y"]


def test_model_ownership_does_not_serve_a_last_good_version_without_a_name() -> None:
    ownership = assign([claimant("a", "x"), claimant("b", "x", at=1, last_good=spec("x"))])

    assert serves(ownership, "team.b") is None


def test_model_ownership_grants_the_next_route_a_name_that_a_route_in_conflict_requested() -> None:
    ownership = assign([claimant("a", "x"), claimant("b", "x", "y", at=1), claimant("c", "y", at=2)])

    assert serves(ownership, "team.b") is None
    assert serves(ownership, "team.c") == ["y"]


def test_model_ownership_frees_the_names_of_a_deleted_route() -> None:
    first, second = claimant("a", "x"), claimant("b", "x", at=1)

    assert serves(assign([second]), "team.b") == ["x"]
    assert assign([second]).changed_since(assign([first, second])) == {"team.a", "team.b"}


def test_model_ownership_changes_only_the_routes_of_a_change() -> None:
    before = assign([claimant("a", "x"), claimant("b", "y"), claimant("c", "x", at=1)])
    after = assign([claimant("a", "z"), claimant("b", "y"), claimant("c", "x", at=1)])

    assert after.changed_since(before) == {"team.a", "team.c"}
    assert after.changed_since(after) == set()


def test_model_ownership_removes_a_model_with_its_name_and_an_alias_alone() -> None:
    aliased = spec(models=[{"name": "x", "aliases": ["a", "b"]}, {"name": "y"}])

    left = without(aliased, {"a", "y"})

    assert left is not None
    assert names(left) == ["x", "b"]
    assert without(aliased, {"x", "y"}) is None


def test_model_ownership_reserves_no_name_of_another_owner() -> None:
    ownership = assign([claimant("a", "x"), claimant("b", "x", "y", at=1)])

    left = ownership.unowned("team/b", spec("x", "y"))

    assert left is not None
    assert names(left) == ["y"]
    assert ownership.unowned("team/b", spec("x")) is None
    assert ownership.unowned("team/a", spec("x")) == spec("x")


SPECS = st.lists(st.sampled_from("vwxyz*"), min_size=1, max_size=3, unique=True).map(lambda names_: spec(*names_))
CLAIMANTS = st.lists(
    st.builds(
        Claimant,
        namespace=st.sampled_from("mn"),
        name=st.sampled_from("abcd"),
        created_at=st.integers(0, 3),
        wanted=st.none() | SPECS,
        last_good=st.none() | SPECS,
    ),
    max_size=8,
    unique_by=lambda one: one.key,
)


@given(CLAIMANTS, st.randoms(use_true_random=False))
def test_model_ownership_gives_every_name_one_owner_in_any_order_and_equals_the_gateways(
    claimants: list[Claimant], random: object
) -> None:
    shuffled = list(claimants)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ownership = assign(claimants)
    assert assign(shuffled) == ownership

    entries = {
        one.key: CatalogueEntry(namespace=one.namespace, name=one.name, created_at=one.created_at, spec=served)
        for one in claimants
        if (served := ownership.grants[one.key].serves) is not None
    }
    catalogue = Catalogue()
    catalogue.replace(entries)
    catalogue.completed()
    found = {name: f"{entry.namespace}/{entry.name}" for name, entry in catalogue.models()}
    assert found == {name: owner for name, owner in ownership.owners.items() if name != "*"}
    assert sum(len(names(entry.spec)) for entry in entries.values()) == len(ownership.owners)


RULES = (
    ClaimRule(namespaces=("team-a",), models=("gpt-*", "o?")),
    ClaimRule(namespaces=("platform", "infra-*"), models=("*",), wildcard=True),
    ClaimRule(namespaces=("team-*",)),
)


@pytest.mark.parametrize(
    ("namespace", "wanted", "refused"),
    [
        ("team-a", ("gpt-6", "o3"), ()),
        ("team-a", ("gpt-6", "claude", "*"), ("claude", "*")),
        ("infra-one", ("claude", "*"), ()),
        # The first rule that covers a namespace counts, and the last one here permits nothing.
        ("team-b", ("gpt-6",), ("gpt-6",)),
        ("elsewhere", ("gpt-6", "*"), ()),
    ],
)
def test_model_ownership_follows_the_rules_of_a_namespace(
    namespace: str, wanted: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    ownership = assign([claimant("a", *wanted, namespace=namespace)], RULES)
    grant = ownership.grants[f"{namespace}.a"]
    assert grant.forbidden == refused
    assert (grant.serves is None) == bool(refused)
    assert ownership.owners == ({} if refused else dict.fromkeys(wanted, f"{namespace}/a"))


def test_model_ownership_forbidden_name_is_free_for_a_younger_route() -> None:
    ownership = assign(
        [claimant("a", "claude", namespace="team-a"), claimant("b", "claude", at=9, namespace="platform")], RULES
    )
    assert ownership.owners == {"claude": "platform/b"}


def test_model_ownership_last_good_version_loses_a_name_that_a_new_rule_forbids() -> None:
    before = spec("gpt-6", "claude")
    ownership = assign([claimant("a", "gpt-6", "claude", namespace="team-a", last_good=before)], RULES)
    assert serves(ownership, "team-a.a") == ["gpt-6"]
