"""Unknown demand and its fallback, pauses, manual mode, and the time of the next check."""

from typing import get_args

import pytest
from unit.support.decisions import changed, outcome
from unit.support.scaling import EIGHT, STABLE_S, Story, seen, with_fallback

from penstock_contract.route.scaling import ScalingSpec
from penstock_operator.scaling.decision import SAMPLE_S, Reason, decide
from penstock_operator.scaling.history import GAP_MIN_S, History
from penstock_operator.scaling.observation import Unavailable

BROKER_AWAY = Unavailable("BrokerUnavailable")


def test_decide_takes_unknown_demand_not_for_zero() -> None:
    """keda#2244: the metrics API was unavailable, and KEDA scaled the workload to zero."""
    story = Story()
    story.learn(seen(5, in_flight=40))
    decision = story.wait(3600, BROKER_AWAY)
    assert outcome(decision) == (None, "DemandUnknown")
    assert "BrokerUnavailable" in decision.message


def test_decide_starts_a_fallback_after_its_time() -> None:
    story = Story(with_fallback("Static", replicas=3))
    story.at(seen(1, in_flight=1))
    assert outcome(story.wait(59, BROKER_AWAY)) == (None, "DemandUnknown")
    story.now += 1.0
    assert outcome(story.at(BROKER_AWAY)) == (3, "Fallback")


@pytest.mark.parametrize(
    ("behavior", "replicas", "serving", "expected"),
    [
        ("Hold", 3, 1, (None, "DemandUnknown")),
        ("Static", 3, 1, (3, "Fallback")),
        ("Static", 3, 5, (3, "Fallback")),
        ("Static", 3, 3, (None, "Fallback")),
        ("Static", 0, 5, (1, "Fallback")),
        ("Static", 0, 0, (None, "Fallback")),
        ("Static", 30, 1, (20, "Fallback")),
        ("HoldIfHigher", 3, 1, (3, "Fallback")),
        ("HoldIfHigher", 3, 5, (None, "Fallback")),
    ],
)
def test_decide_fallback_follows_its_behavior(
    behavior: str, replicas: int, serving: int, expected: tuple[int | None, str]
) -> None:
    story = Story(with_fallback(behavior, replicas=replicas))
    assert outcome(story.wait(60, Unavailable("QueueMissing", serving))) == expected


def test_decide_fallback_holds_with_an_unknown_number() -> None:
    assert outcome(Story(with_fallback("HoldIfHigher")).wait(3600, BROKER_AWAY)) == (None, "DemandUnknown")


def test_decide_applies_a_static_fallback_without_a_known_number() -> None:
    assert outcome(Story(with_fallback("Static", replicas=2)).wait(60, BROKER_AWAY)) == (2, "Fallback")


def test_decide_applies_the_bounds_to_an_unknown_demand() -> None:
    assert outcome(Story(changed(min_replicas=2)).at(Unavailable("BrokerUnavailable", 0))) == (2, "BelowMinimum")
    assert outcome(Story().at(Unavailable("BrokerUnavailable", 25))) == (20, "AboveMaximum")


def test_decide_ends_the_fallback_at_the_first_good_observation() -> None:
    story = Story(with_fallback("Static", replicas=3))
    story.wait(60, Unavailable("BrokerUnavailable", 1))
    story.now += 1.0
    assert outcome(story.at(seen(3, in_flight=24, pending=10))) == (5, "DemandRose")
    story.now += 1.0
    assert outcome(story.at(BROKER_AWAY)) == (None, "DemandUnknown")


def test_decide_removes_no_worker_for_a_stable_window_after_an_outage() -> None:
    story = Story()
    story.wait(STABLE_S - 1, seen(10))
    story.at(BROKER_AWAY)
    story.now += 1.0
    assert outcome(story.wait(STABLE_S - 1, seen(10))) == (None, "Learning")


def test_decide_outage_restarts_the_time_for_zero() -> None:
    story = Story()
    story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))
    story.at(BROKER_AWAY)
    story.now += 1.0
    story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))
    story.now += 1.0
    assert outcome(story.at(seen(1))) == (0, "NoDemand")


@pytest.mark.parametrize(("paused", "up", "down"), [("ScaleIn", 13, None), ("ScaleOut", None, 1), ("All", None, None)])
def test_decide_pause_holds_its_directions(paused: str, up: int | None, down: int | None) -> None:
    spec = changed(paused=paused)
    risen = Story(spec).at(seen(0, pending=100))
    fallen = Story(spec)
    fallen.learn(seen(5))
    assert risen.replicas == up
    assert fallen.at(seen(5)).replicas == down
    assert {"Paused"} == {one.reason for one in (risen, fallen.at(seen(5))) if one.replicas is None}


@pytest.mark.parametrize("paused", ["ScaleIn", "All"])
def test_decide_pause_holds_a_number_above_a_lowered_maximum(paused: str) -> None:
    assert outcome(Story(changed(paused=paused)).at(seen(25))) == (None, "Paused")


def test_decide_pause_holds_the_fallback() -> None:
    story = Story(with_fallback("Static", replicas=3, paused="ScaleOut"))
    assert outcome(story.wait(60, Unavailable("BrokerUnavailable", 1))) == (None, "Paused")


def test_decide_pause_message_has_the_held_change() -> None:
    assert Story(changed(paused="All")).at(seen(0, pending=100)).message == ("FromZero requires 13, but paused is All")


def test_decide_pause_of_the_other_direction_changes_nothing() -> None:
    assert outcome(Story(changed(paused="ScaleIn")).at(seen(0))) == (None, "Steady")


@pytest.mark.parametrize("replicas", [0, 3, 50])
def test_decide_follows_the_spec_only_in_manual_mode(replicas: int) -> None:
    spec = changed(mode="Manual", replicas=replicas, min_replicas=1, max_replicas=10, paused="All")
    for observation in (seen(7, pending=500), seen(7), Unavailable("BrokerUnavailable", 7), BROKER_AWAY):
        assert outcome(Story(spec).at(observation)) == (replicas, "Manual")
    assert outcome(Story(spec).at(seen(replicas))) == (None, "Manual")


def test_decide_uses_no_history_of_manual_mode_in_auto_mode() -> None:
    story = Story()
    story.wait(STABLE_S - 1, seen(5))
    story.spec = changed(mode="Manual", replicas=5)
    story.wait(int(GAP_MIN_S) - 1, seen(5))
    story.spec = EIGHT
    assert outcome(story.at(seen(5))) == (None, "Learning")


@pytest.mark.parametrize(
    ("spec", "observation"),
    [(EIGHT, seen(0)), (changed(min_replicas=2), seen(2)), (changed(mode="Manual", replicas=3), seen(3))],
    ids=["zero", "minimum", "manual"],
)
def test_decide_requests_no_further_check_of_an_idle_route(spec: ScalingSpec, observation: object) -> None:
    assert Story(spec).at(observation).again_in_s is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "observation", [seen(0, pending=1), seen(1), seen(1, in_flight=1), seen(2, draining=1), BROKER_AWAY]
)
def test_decide_requests_a_further_check_of_all_other_routes(observation: object) -> None:
    assert Story().at(observation).again_in_s == SAMPLE_S  # type: ignore[arg-type]


def test_decide_does_not_change_the_given_history() -> None:
    before = History()
    decide(EIGHT, seen(3, in_flight=3), before, 1.0)
    assert before == History()


def test_decide_reasons_are_one_camel_case_word() -> None:
    assert all(reason.isalpha() and reason[0].isupper() for reason in get_args(Reason))
