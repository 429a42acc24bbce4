"""Scale-out: demand, bounds and panic, one sentence of docs/operations/scaling.md per test."""

import pytest
from unit.support.decisions import changed, outcome
from unit.support.scaling import EIGHT, STABLE_S, Story, seen

from penstock_operator.scaling.history import BUCKETS


def test_decide_scales_from_zero_to_the_backlog_in_one_step() -> None:
    assert outcome(Story().at(seen(0, pending=100))) == (13, "FromZero")


def test_decide_counts_waiting_and_in_flight_requests_as_demand() -> None:
    assert outcome(Story().at(seen(2, pending=9, in_flight=16))) == (4, "DemandRose")


def test_decide_full_slots_alone_require_no_more_workers() -> None:
    assert outcome(Story().at(seen(2, in_flight=16))) == (None, "Steady")


def test_decide_scales_out_for_waiting_requests_at_a_capped_in_flight() -> None:
    """LLMKube#482: with one slot per worker the gauge of each was at most one, and the fleet never grew."""
    assert outcome(Story(changed(concurrency_per_replica=1)).at(seen(1, in_flight=1, pending=3))) == (4, "DemandRose")


def test_decide_scales_out_to_a_large_backlog_and_not_to_the_mean_of_pulled_requests() -> None:
    """KubeAI#229: 2500 waiting requests at 500 per pod took two hours to reach 8 pods."""
    assert outcome(Story(changed(concurrency_per_replica=500)).at(seen(0, pending=2500))) == (5, "FromZero")


def test_decide_scales_out_at_once_after_an_hour_without_demand() -> None:
    story = Story()
    story.wait(STABLE_S, seen(1, in_flight=1))
    story.now += 1.0
    assert outcome(story.at(seen(1, in_flight=8, pending=60))) == (9, "DemandRose")


def test_decide_counts_starting_workers_as_capacity() -> None:
    story = Story()
    assert story.at(seen(0, pending=100)).replicas == 13
    for _ in range(60):
        story.now += 1.0
        assert outcome(story.at(seen(13, ready=0, pending=100))) == (None, "Steady")


def test_decide_adds_only_the_difference_while_workers_start() -> None:
    story = Story()
    story.at(seen(0, pending=100))
    story.now += 1.0
    assert outcome(story.at(seen(13, ready=0, pending=112))) == (14, "DemandRose")


@pytest.mark.parametrize(("percent", "replicas"), [(100, 13), (80, 16), (50, 25), (10, 125)])
def test_decide_keeps_slots_free_at_a_lower_utilization(percent: int, replicas: int) -> None:
    spec = changed(target_utilization_percent=percent, max_replicas=1000)
    assert Story(spec).at(seen(0, pending=100)).replicas == replicas


def test_decide_never_exceeds_the_maximum() -> None:
    assert outcome(Story().at(seen(0, pending=10_000))) == (20, "FromZero")


def test_decide_reports_the_maximum() -> None:
    decision = Story().at(seen(20, in_flight=160, pending=50))
    assert outcome(decision) == (None, "AtMaximum")
    assert "maxReplicas is 20" in decision.message


def test_decide_keeps_the_minimum_without_demand() -> None:
    assert outcome(Story(changed(min_replicas=2)).at(seen(0))) == (2, "BelowMinimum")


def test_decide_gives_demand_as_the_reason_above_the_minimum() -> None:
    assert outcome(Story(changed(min_replicas=2)).at(seen(0, pending=30))) == (4, "FromZero")


def test_decide_applies_a_lowered_maximum_at_once_in_a_panic() -> None:
    story = Story()
    story.at(seen(0, pending=100))
    story.spec = changed(max_replicas=5)
    assert outcome(story.at(seen(13, ready=0, pending=100))) == (5, "AboveMaximum")


def test_decide_applies_a_raised_minimum_at_once() -> None:
    story = Story()
    story.at(seen(1, in_flight=1))
    story.spec = changed(min_replicas=3)
    assert outcome(story.at(seen(1, in_flight=1))) == (3, "BelowMinimum")


def test_decide_scales_out_to_a_raised_maximum_at_once() -> None:
    story = Story(changed(max_replicas=5))
    assert outcome(story.at(seen(5, in_flight=40, pending=40))) == (None, "AtMaximum")
    story.spec = EIGHT
    assert outcome(story.at(seen(5, in_flight=40, pending=40))) == (10, "DemandRose")


def test_decide_keeps_the_workers_of_a_panic_until_a_full_stable_window_without_a_surge() -> None:
    story = Story()
    assert outcome(story.at(seen(0, pending=160))) == (20, "FromZero")
    story.wait(3 * STABLE_S, seen(20, ready=2, in_flight=16, pending=100))
    assert outcome(story.wait(STABLE_S - 1, seen(20, in_flight=4))) == (None, "Panic")
    seconds, decision = story.until_decided(seen(20, in_flight=4))
    assert seconds <= 1 + STABLE_S / BUCKETS
    assert decision.reason == "DemandFell"


def test_decide_continues_a_panic_while_the_surge_lasts() -> None:
    story = Story()
    story.at(seen(0, pending=160))
    story.now += 1.0
    assert outcome(story.wait(3 * STABLE_S, seen(20, ready=2, in_flight=16, pending=20))) == (None, "Panic")


def test_decide_restores_removed_workers_in_a_panic() -> None:
    story = Story()
    story.at(seen(0, pending=100))
    story.now += 10.0
    assert outcome(story.at(seen(2, in_flight=3))) == (13, "Panic")
    assert outcome(story.at(seen(2, in_flight=3, pending=30))) == (13, "DemandRose")


def test_decide_starts_no_panic_for_demand_that_ready_workers_nearly_serve() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    story.wait(30, seen(10, in_flight=75))
    assert story.history.panic_at is None


def test_decide_starts_no_panic_for_one_sample() -> None:
    story = Story()
    story.learn(seen(4, in_flight=20))
    story.at(seen(4, in_flight=32, pending=40))
    assert story.history.panic_at is None
