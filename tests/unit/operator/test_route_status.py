"""The status document: its times, and the changes that require a write."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from unit.support.routes import route_body, spec

from penstock_contract.route.status import LastDecision, ModelRouteStatus
from penstock_operator.status.conditions import Acceptance, Autoscaling, Situation
from penstock_operator.status.pod_problems import Problem
from penstock_operator.status.pod_summary import Survey
from penstock_operator.status.reasons import REASONS
from penstock_operator.status.route_status import MESSAGE_MAX, compose, document, needs_write, previous

NOON = dt.datetime(2026, 1, 1, 12, 0, 0, 987_654, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(minutes=5)
PULL = Problem("ImagePullFailed", "pod a: denied")
DECISION = LastDecision(at=NOON.replace(microsecond=0), from_=0, to=13, reason="FromZero", message="100 waiting")


def workers(wanted: int, ready: int, starting: int = 0, draining: int = 0, *problems: Problem) -> Survey:
    return Survey(
        wanted=wanted,
        ready=ready,
        starting=starting,
        draining=draining,
        replicas=ready + starting + draining,
        problems=problems,
    )


def situation(survey: Survey | None = None, generation: int = 1, message: str = "served") -> Situation:
    return Situation(
        generation=generation,
        acceptance=Acceptance("Accepted", message),
        serves=spec(),
        survey=survey or workers(1, 1),
        published=True,
        autoscaling=Autoscaling(),
    )


def status(
    of: Situation, before: ModelRouteStatus | None = None, at: dt.datetime = NOON, **fields: Any
) -> ModelRouteStatus:
    return compose("main", of, before or ModelRouteStatus(), at, **fields)


def times(of: ModelRouteStatus) -> dict[str, dt.datetime]:
    return {condition.type: condition.last_transition_time for condition in of.conditions}


def live(of: ModelRouteStatus) -> dict[str, Any]:
    """A route with this status, as the API server returns it."""
    written: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(of)))
    return route_body() | {"status": written}


def test_composition_counts_workers() -> None:
    made = status(situation(workers(4, 1, 2, 1)), desired=3)

    assert (made.replicas, made.ready_replicas, made.draining_replicas, made.desired_replicas) == (4, 1, 1, 3)
    assert made.selector == "penstock.dev/route=main"
    assert made.observed_generation == 1


@pytest.mark.parametrize(
    ("survey", "desired", "reported"), [(workers(4, 4), 2, 2), (workers(4, 4), 0, 0), (workers(4, 4), None, 4)]
)
def test_composition_desired_replicas_follow_the_deployment_before_the_first_decision(
    survey: Survey, desired: int | None, reported: int
) -> None:
    assert status(situation(survey), desired=desired).desired_replicas == reported


def test_composition_keeps_the_desired_replicas_without_a_deployment() -> None:
    before = status(situation(), desired=7)
    assert status(situation(Survey()), before).desired_replicas == 7


def test_composition_conditions_have_the_observed_generation() -> None:
    made = status(situation(generation=5))

    assert {condition.type for condition in made.conditions} == set(REASONS)
    assert {condition.observed_generation for condition in made.conditions} == {5}


def test_composition_times_have_whole_seconds() -> None:
    assert set(times(status(situation())).values()) == {NOON.replace(microsecond=0)}


def test_composition_condition_keeps_its_time_until_its_status_changes() -> None:
    before = status(situation())
    same_status = status(situation(generation=2, message="other words"), before, LATER)
    flipped = status(situation(workers(1, 0, 1, 0, PULL)), before, LATER)

    assert times(same_status) == times(before)
    changed = {type_ for type_, at in times(flipped).items() if at != times(before)[type_]}
    assert changed == {"Ready", "WorkersReady", "Serving", "Degraded"}
    assert times(flipped)["Ready"] == LATER.replace(microsecond=0)


def test_composition_keeps_the_last_decision_until_the_next() -> None:
    decided = status(situation(), decision=DECISION)

    assert decided.last_decision == DECISION
    assert status(situation(), decided).last_decision == DECISION


def test_composition_writes_no_status_without_changes() -> None:
    first = status(situation(), decision=DECISION)
    again = status(situation(), previous(live(first)), LATER)

    assert again == first
    assert not needs_write(live(first), again)


def test_composition_writes_the_first_status() -> None:
    assert needs_write(route_body(), status(situation()))


@pytest.mark.parametrize(
    "after",
    [
        status(situation(generation=2)),
        status(situation(message="other words")),
        status(situation(workers(2, 2))),
        status(situation(), desired=2),
        status(situation(), decision=DECISION),
        status(situation(workers(1, 0, 1, 0, PULL))),
    ],
    ids=["generation", "message", "workers", "desired", "decision", "conditions"],
)
def test_composition_writes_a_status_with_changes(after: ModelRouteStatus) -> None:
    assert needs_write(live(status(situation())), after)


def test_composition_ignores_conditions_of_other_clients() -> None:
    body = live(status(situation()))
    body["status"]["conditions"].append({"type": "Audited", "status": "True"})
    body["status"]["other"] = 1

    assert not needs_write(body, status(situation()))


def test_composition_restores_a_condition_that_another_client_changed() -> None:
    body = live(status(situation()))
    body["status"]["conditions"][0]["status"] = "False"

    assert needs_write(body, status(situation()))


def test_composition_writes_an_unreadable_status_again() -> None:
    body = route_body() | {"status": {"conditions": "none"}}

    assert previous(body) == ModelRouteStatus()
    assert needs_write(route_body() | {"status": {"replicas": "many"}}, status(situation()))


def test_composition_bounds_a_message() -> None:
    made = status(situation(message="x" * 9_999))
    assert max(len(condition.message) for condition in made.conditions) == MESSAGE_MAX


@pytest.mark.parametrize("live", [{"conditions": "none"}, {"conditions": [1]}, {"conditions": [{}]}, [], "text"])
def test_composition_writes_a_status_of_another_shape_again(live: Any) -> None:
    assert needs_write({"status": live}, status(situation()))
