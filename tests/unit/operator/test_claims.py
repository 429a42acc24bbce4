"""Who owns a model name, and what a route may serve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.routes import spec

from penstock_contract.catalogue import Catalogue, CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec
from penstock_operator.routes.model_ownership import Claimant, Claims, Conflict, Standing, names, settle, without


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


def serves(claims: Claims, key: str) -> list[str] | None:
    served = claims.standings[key].serves
    return None if served is None else names(served)


def test_a_route_serves_what_it_wants_if_nobody_else_does() -> None:
    claims = settle([claimant("a", "x", "y"), claimant("b", "z")])

    assert claims.standings["team.a"] == Standing(spec("x", "y"))
    assert claims.owners == {"x": "team/a", "y": "team/a", "z": "team/b"}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (claimant("b", "x", at=1), claimant("a", "x", at=2)),
        (claimant("a", "x", at=1), claimant("b", "x", at=1)),
        (claimant("b", "x", namespace="m"), claimant("a", "x", namespace="n")),
    ],
    ids=["by age", "of one age by name", "of one age by namespace"],
)
def test_the_older_route_keeps_a_name(older: Claimant, newer: Claimant) -> None:
    for order in ([older, newer], [newer, older]):
        claims = settle(order)
        owner = f"{older.namespace}/{older.name}"

        assert claims.owners == {"x": owner}
        assert claims.standings[newer.key] == Standing(None, (Conflict("x", owner),))


def test_an_alias_is_a_name() -> None:
    aliased = spec(models=[{"name": "x", "aliases": ["y"]}])
    claims = settle([claimant("a", "y"), Claimant(namespace="team", name="b", created_at=1, wanted=aliased)])

    assert claims.standings["team.b"].conflicts == (Conflict("y", "team/a"),)


def test_the_wildcard_is_claimed_once_and_takes_no_other_name() -> None:
    claims = settle([claimant("a", "*"), claimant("b", "*", at=1), claimant("c", "x", at=2)])

    assert claims.standings["team.b"].conflicts == (Conflict("*", "team/a"),)
    assert serves(claims, "team.c") == ["x"]


def test_a_route_in_conflict_keeps_its_last_good_version() -> None:
    claims = settle([claimant("a", "x"), claimant("b", "x", "y", at=1, last_good=spec("y"))])

    assert serves(claims, "team.b") == ["y"]
    assert claims.standings["team.b"].conflicts == (Conflict("x", "team/a"),)


def test_a_route_that_cannot_be_served_keeps_its_last_good_version_and_its_names() -> None:
    claims = settle([claimant("a", last_good=spec("x")), claimant("b", "x", at=1)])

    assert serves(claims, "team.a") == ["x"]
    assert claims.standings["team.b"].conflicts == (Conflict("x", "team/a"),)


def test_a_name_that_an_older_route_takes_leaves_the_last_good_version() -> None:
    claims = settle([claimant("a", "x"), claimant("b", "x", "y", at=1, last_good=spec("x", "y"))])

    assert serves(claims, "team.b") == ["y"]


def test_a_last_good_version_without_a_name_left_is_not_served() -> None:
    claims = settle([claimant("a", "x"), claimant("b", "x", at=1, last_good=spec("x"))])

    assert serves(claims, "team.b") is None


def test_a_name_that_a_route_in_conflict_would_have_is_free_for_the_next() -> None:
    claims = settle([claimant("a", "x"), claimant("b", "x", "y", at=1), claimant("c", "y", at=2)])

    assert serves(claims, "team.b") is None
    assert serves(claims, "team.c") == ["y"]


def test_a_name_is_free_when_its_owner_goes() -> None:
    first, second = claimant("a", "x"), claimant("b", "x", at=1)

    assert serves(settle([second]), "team.b") == ["x"]
    assert settle([second]).changed_since(settle([first, second])) == {"team.a", "team.b"}


def test_only_the_routes_that_a_change_is_about_have_changed() -> None:
    before = settle([claimant("a", "x"), claimant("b", "y"), claimant("c", "x", at=1)])
    after = settle([claimant("a", "z"), claimant("b", "y"), claimant("c", "x", at=1)])

    assert after.changed_since(before) == {"team.a", "team.c"}
    assert after.changed_since(after) == set()


def test_a_model_goes_with_its_name_and_an_alias_alone() -> None:
    aliased = spec(models=[{"name": "x", "aliases": ["a", "b"]}, {"name": "y"}])

    left = without(aliased, {"a", "y"})

    assert left is not None
    assert names(left) == ["x", "b"]
    assert without(aliased, {"x", "y"}) is None


def test_names_that_others_own_are_not_spoken_for() -> None:
    claims = settle([claimant("a", "x"), claimant("b", "x", "y", at=1)])

    left = claims.unowned("team/b", spec("x", "y"))

    assert left is not None
    assert names(left) == ["y"]
    assert claims.unowned("team/b", spec("x")) is None
    assert claims.unowned("team/a", spec("x")) == spec("x")


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
def test_every_name_has_one_owner_whatever_the_order_and_the_gateway_agrees(
    claimants: list[Claimant], random: object
) -> None:
    shuffled = list(claimants)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    claims = settle(claimants)
    assert settle(shuffled) == claims

    entries = {
        one.key: CatalogueEntry(namespace=one.namespace, name=one.name, created_at=one.created_at, spec=served)
        for one in claimants
        if (served := claims.standings[one.key].serves) is not None
    }
    catalogue = Catalogue()
    catalogue.replace(entries)
    catalogue.completed()
    found = {name: f"{entry.namespace}/{entry.name}" for name, entry in catalogue.models()}
    assert found == {name: owner for name, owner in claims.owners.items() if name != "*"}
    assert sum(len(names(entry.spec)) for entry in entries.values()) == len(claims.owners)
