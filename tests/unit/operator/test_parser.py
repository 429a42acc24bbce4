"""Parsing of a ModelRoute, and the problem of one that cannot be served."""

from typing import Any

import pytest
from unit.support.routes import CREATED_AT, UID, provider, route_body, secret, spec, spec_document

from penstock_operator.routes.parser import PROBLEM_MAX, Route, read, refuse


def test_parser_reads_a_route_with_its_metadata() -> None:
    assert read(route_body(generation=7)) == Route(
        namespace="team", name="main", uid=UID, generation=7, created_at=CREATED_AT, spec=spec()
    )


def test_parser_marks_a_route_that_is_being_deleted() -> None:
    assert read(route_body(deletionTimestamp="2026-01-01T00:00:00Z")).deleting


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (
            spec_document(newer={"field": 1}),
            "this operator cannot read it: Object contains unknown field `newer`",
        ),
        (
            spec_document(providers=[provider(type="Telepathy")]),
            "this operator cannot read it: Invalid enum value 'Telepathy' - at `spec.providers[0].type`",
        ),
        ({}, "this operator cannot read it: Object missing required field `models`"),
    ],
    ids=["a newer field", "a newer type of provider", "nothing"],
)
def test_parser_reports_an_unknown_spec_as_a_problem_without_a_spec(document: Any, problem: str) -> None:
    route = read(route_body(document))
    assert (route.spec, route.problem) == (None, problem)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (spec_document("a", "a"), "models: a name or alias may occur only once"),
        (
            spec_document("a", "a", scaling={"minReplicas": 9, "maxReplicas": 2}),
            "models: a name or alias may occur only once; scaling: minReplicas must not be more than maxReplicas",
        ),
        (
            spec_document(providers=[provider(**secret("penstock", "route"))]),
            "providers: penstock/route would be the variable PENSTOCK_ROUTE, which the operator sets",
        ),
    ],
    ids=["a rule", "several rules", "a variable"],
)
def test_parser_reads_a_spec_that_breaks_a_rule_with_its_problem(document: Any, problem: str) -> None:
    route = read(route_body(document))
    assert route.spec is not None
    assert route.problem == problem


@pytest.mark.parametrize("name", ["a.b", "a" * 41, "UPPER", "a>"])
def test_parser_rejects_a_name_that_is_no_token(name: str) -> None:
    route = read(route_body(name=name))
    assert route.spec is None
    assert route.problem.startswith("metadata.name: ")


def test_parser_reports_a_spec_that_the_api_server_would_reject_in_the_same_words() -> None:
    refused = refuse(read(route_body()), 'Deployment "main-worker" is invalid: spec.template.spec.tolerations')

    assert refused.spec == spec()
    assert refused.problem == (
        'the API server rejects it: Deployment "main-worker" is invalid: spec.template.spec.tolerations'
    )


def test_parser_bounds_a_problem() -> None:
    assert len(refuse(read(route_body()), "x" * 9_999).problem) == PROBLEM_MAX
