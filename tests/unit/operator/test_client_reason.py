"""The reason in a waiting client's error contains no internal names."""

from pathlib import Path
from typing import Any, get_args

import pytest
from unit.support.routes import spec

from penstock_operator.status.client_reason import NO_WORKERS, PROBLEM_TEXTS, REFUSALS, STARTING, cause
from penstock_operator.status.conditions import AcceptedReason
from penstock_operator.status.pod_problems import Problem, ProblemReason
from penstock_operator.status.pod_summary import Survey

PULL = Problem("ImagePullFailed", 'pod main-worker-a: failed to pull "registry.internal/penstock:9": 401')


def workers(wanted: int, ready: int = 0, starting: int = 0, *problems: Problem) -> Survey:
    return Survey(wanted=wanted, ready=ready, starting=starting, replicas=ready + starting, problems=problems)


@pytest.mark.parametrize(
    ("scaling", "survey", "expected"),
    [
        ({}, workers(2, 2), ""),
        ({}, workers(2, 1, 1, PULL), ""),
        ({}, workers(1, 0, 1, PULL), "the image of its workers cannot be pulled (ImagePullFailed)"),
        ({}, workers(1, 0, 1), STARTING),
        ({}, workers(0), ""),
        ({}, Survey(), ""),
        ({"mode": "Manual", "replicas": 0}, workers(0), NO_WORKERS),
        ({"paused": "ScaleOut"}, workers(0), NO_WORKERS),
        ({"paused": "ScaleIn"}, workers(0), ""),
        ({"mode": "Manual", "replicas": 1}, workers(1, 0, 1), STARTING),
    ],
    ids=[
        "all serve",
        "one serves",
        "none can start",
        "one is starting",
        "the next request wakes one",
        "no observation",
        "none by hand",
        "none may be added",
        "none may be taken",
        "the first by hand",
    ],
)
def test_client_reason_explains_why_no_worker_serves(scaling: dict[str, Any], survey: Survey, expected: str) -> None:
    assert cause(spec(scaling=scaling), survey) == expected


@pytest.mark.parametrize("reason", get_args(ProblemReason))
def test_client_reason_contains_no_names(reason: ProblemReason) -> None:
    problem = Problem(reason, 'pod main-worker-a: secret "openai" of registry.internal/penstock on node-7')

    expected = cause(spec(), workers(1, 0, 1, problem))

    assert expected == f"{PROBLEM_TEXTS[reason]} ({reason})"
    assert not any(name in expected for name in ("main-worker", "openai", "registry", "node-7"))


def test_client_reason_exists_for_every_refusal() -> None:
    assert set(REFUSALS) == set(get_args(AcceptedReason)) - {"Accepted"}


def test_client_reason_messages_without_a_pod_problem_are_in_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "conditions.md").read_text("utf-8")
    assert f"`{STARTING}`" in page
    assert f"`{NO_WORKERS}`" in page
