"""Scale-in by the stable window, the time for zero and drains; one sentence of docs/operations/scaling.md per test."""

import pytest
from unit.support.decisions import changed, outcome
from unit.support.scaling import EIGHT, STABLE_S, Story, seen

from penstock_operator.scaling.history import BUCKETS, GAP_MIN_S


def test_decide_scales_in_after_a_whole_stable_window() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    assert outcome(story.wait(STABLE_S - 1, seen(10, in_flight=20))) == (None, "StableWindow")
    seconds, decision = story.until_decided(seen(10, in_flight=20))
    assert seconds <= 1 + STABLE_S / BUCKETS
    assert outcome(decision) == (3, "DemandFell")


def test_decide_scales_in_to_the_windows_peak() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    story.wait(30, seen(10, in_flight=10))
    story.wait(10, seen(10, in_flight=50))
    _, decision = story.until_decided(seen(10, in_flight=10))
    assert outcome(decision) == (7, "DemandFell")


def test_decide_restarts_the_stable_window_after_a_moment_of_demand() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    story.wait(STABLE_S - 1, seen(10, in_flight=10))
    story.at(seen(10, in_flight=80))
    assert outcome(story.wait(STABLE_S - 1, seen(10, in_flight=10))) == (None, "StableWindow")


@pytest.mark.parametrize("mean", [20, 41, 80, 84, 100, 150])
@pytest.mark.parametrize("percent", [1, 3, 5])
def test_decide_keeps_the_number_under_noise(mean: int, percent: int) -> None:
    """llm-d-autoscaling#1427: 1 to 5 % of noise moved the number every 15 s; minutes at either end must not."""
    low, high = round(mean * (100 - percent) / 100), round(mean * (100 + percent) / 100)
    story = Story()
    replicas = -(-high // 8)
    story.learn(seen(replicas, in_flight=high))
    for demand in (low, high, low, mean, high):
        assert story.wait(3 * STABLE_S, seen(replicas, in_flight=demand)).replicas is None


def test_decide_shrinks_a_small_fleet_to_its_need_without_noise() -> None:
    story = Story(changed(concurrency_per_replica=1))
    story.learn(seen(7, in_flight=7))
    _, decision = story.until_decided(seen(7, in_flight=2))
    assert outcome(decision) == (2, "DemandFell")


def test_decide_removes_nothing_with_an_empty_history_before_a_full_stable_window() -> None:
    story = Story()
    assert outcome(story.wait(STABLE_S - 1, seen(10))) == (None, "Learning")
    story.now += 1.0
    assert outcome(story.at(seen(10))) == (1, "DemandFell")


def test_decide_scales_out_at_once_with_an_empty_history() -> None:
    assert Story().at(seen(3, in_flight=24, pending=1)).replicas == 4


def test_decide_does_not_scale_in_with_a_hole_in_the_window() -> None:
    story = Story()
    story.wait(STABLE_S - 1, seen(10))
    story.now += STABLE_S
    assert outcome(story.at(seen(10))) == (None, "Learning")


def test_decide_takes_a_late_tick_for_no_hole() -> None:
    story = Story()
    story.wait(STABLE_S - 4, seen(10))
    story.now += GAP_MIN_S
    assert outcome(story.at(seen(10))) == (1, "DemandFell")


def test_decide_removes_the_last_worker_only_after_the_time_for_zero() -> None:
    story = Story()
    story.at(seen(1, in_flight=1))
    story.now += 1.0
    assert outcome(story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))) == (None, "ZeroWindow")
    story.now += 1.0
    assert outcome(story.at(seen(1))) == (0, "NoDemand")


def test_decide_restarts_the_time_for_zero_after_one_request() -> None:
    story = Story()
    story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))
    story.at(seen(1, in_flight=1))
    story.now += 1.0
    assert outcome(story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))) == (None, "ZeroWindow")


def test_decide_restarts_the_time_for_zero_after_a_hole() -> None:
    story = Story()
    story.wait(EIGHT.scale_to_zero_after_seconds - STABLE_S, seen(1))
    story.now += STABLE_S
    assert story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1)).replicas is None
    story.now += 1.0
    assert outcome(story.at(seen(1))) == (0, "NoDemand")


def test_decide_message_has_the_time_for_zero() -> None:
    assert "after 300 s" in Story().wait(STABLE_S, seen(1)).message
    assert "after 900 s" in Story(changed(scale_to_zero_after_seconds=900)).wait(STABLE_S, seen(1)).message


def test_decide_keeps_the_stable_window_with_a_shorter_time_for_zero() -> None:
    story = Story(changed(scale_to_zero_after_seconds=0))
    assert outcome(story.wait(STABLE_S - 1, seen(1))) == (None, "Learning")
    story.now += 1.0
    assert outcome(story.at(seen(1))) == (0, "NoDemand")


def test_decide_keeps_the_last_workers_of_a_minimum() -> None:
    story = Story(changed(min_replicas=1))
    assert outcome(story.wait(3600, seen(1))) == (None, "Steady")


def test_decide_is_steady_without_demand_and_workers() -> None:
    assert outcome(Story().at(seen(0))) == (None, "Steady")


def test_decide_counts_draining_workers_as_no_capacity() -> None:
    assert outcome(Story().at(seen(13, draining=10, in_flight=24, pending=16))) == (5, "DemandRose")


def test_decide_adds_no_worker_for_streams_on_draining_workers() -> None:
    story = Story()
    assert outcome(story.at(seen(13, draining=10, in_flight=20))) == (None, "Steady")


def test_decide_is_unchanged_by_the_drain_of_its_scale_in() -> None:
    story = Story()
    story.learn(seen(10, in_flight=10))
    assert story.at(seen(10, in_flight=10)).replicas == 2
    for _ in range(600):
        story.now += 1.0
        assert outcome(story.at(seen(10, draining=8, in_flight=10))) == (None, "Steady")


def test_decide_requires_draining_workers_for_returning_demand() -> None:
    assert outcome(Story().at(seen(10, draining=8, in_flight=16, pending=48))) == (8, "DemandRose")


def test_decide_scales_from_zero_while_the_last_worker_drains() -> None:
    assert outcome(Story().at(seen(1, draining=1, pending=1))) == (1, "FromZero")
