"""The status document: its times, and when it is worth a write."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from unit.support.routes import route_body, spec

from penstock_contract.route.status import LastDecision, ModelRouteStatus
from penstock_operator.status.composition import MESSAGE_MAX, compose, document, needs_write, previous
from penstock_operator.status.conditions import Acceptance, Autoscaling, Situation
from penstock_operator.status.pod_problems import Problem
from penstock_operator.status.pod_summary import Survey
from penstock_operator.status.reasons import REASONS

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
    """A route that has this status, as the API server gives it back."""
    written: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(of)))
    return route_body() | {"status": written}


def test_the_status_counts_workers() -> None:
    made = status(situation(workers(4, 1, 2, 1)), desired=3)

    assert (made.replicas, made.ready_replicas, made.draining_replicas, made.desired_replicas) == (4, 1, 1, 3)
    assert made.selector == "penstock.dev/route=main"
    assert made.observed_generation == 1


@pytest.mark.parametrize(
    ("survey", "desired", "told"), [(workers(4, 4), 2, 2), (workers(4, 4), 0, 0), (workers(4, 4), None, 4)]
)
def test_until_the_autoscaler_speaks_as_many_are_desired_as_there_should_be(
    survey: Survey, desired: int | None, told: int
) -> None:
    assert status(situation(survey), desired=desired).desired_replicas == told


def test_without_a_deployment_the_desired_number_stays() -> None:
    before = status(situation(), desired=7)
    assert status(situation(Survey()), before).desired_replicas == 7


def test_every_condition_is_of_the_generation_that_was_looked_at() -> None:
    made = status(situation(generation=5))

    assert {condition.type for condition in made.conditions} == set(REASONS)
    assert {condition.observed_generation for condition in made.conditions} == {5}


def test_times_have_whole_seconds() -> None:
    assert set(times(status(situation())).values()) == {NOON.replace(microsecond=0)}


def test_a_condition_keeps_its_time_until_it_flips() -> None:
    before = status(situation())
    same_status = status(situation(generation=2, message="other words"), before, LATER)
    flipped = status(situation(workers(1, 0, 1, 0, PULL)), before, LATER)

    assert times(same_status) == times(before)
    changed = {type_ for type_, at in times(flipped).items() if at != times(before)[type_]}
    assert changed == {"Ready", "WorkersReady", "Serving", "Degraded"}
    assert times(flipped)["Ready"] == LATER.replace(microsecond=0)


def test_the_last_decision_stays_until_the_next() -> None:
    decided = status(situation(), decision=DECISION)

    assert decided.last_decision == DECISION
    assert status(situation(), decided).last_decision == DECISION


def test_status_without_changes_is_not_written() -> None:
    first = status(situation(), decision=DECISION)
    again = status(situation(), previous(live(first)), LATER)

    assert again == first
    assert not needs_write(live(first), again)


def test_the_first_status_is_written() -> None:
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
def test_status_with_changes_is_written(after: ModelRouteStatus) -> None:
    assert needs_write(live(status(situation())), after)


def test_status_ignores_conditions_of_other_clients() -> None:
    body = live(status(situation()))
    body["status"]["conditions"].append({"type": "Audited", "status": "True"})
    body["status"]["other"] = 1

    assert not needs_write(body, status(situation()))


def test_status_restores_a_condition_that_another_client_changed() -> None:
    body = live(status(situation()))
    body["status"]["conditions"][0]["status"] = "False"

    assert needs_write(body, status(situation()))


def test_a_status_that_cannot_be_read_is_written_anew() -> None:
    body = route_body() | {"status": {"conditions": "none"}}

    assert previous(body) == ModelRouteStatus()
    assert needs_write(route_body() | {"status": {"replicas": "many"}}, status(situation()))


def test_a_message_is_bounded() -> None:
    made = status(situation(message="x" * 9_999))
    assert max(len(condition.message) for condition in made.conditions) == MESSAGE_MAX


@pytest.mark.parametrize("live", [{"conditions": "none"}, {"conditions": [1]}, {"conditions": [{}]}, [], "text"])
def test_a_status_of_another_shape_is_written_anew(live: Any) -> None:
    assert needs_write({"status": live}, status(situation()))
