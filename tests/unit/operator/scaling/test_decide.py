"""How many workers: one sentence of docs/operations/scaling.md per test."""

from typing import get_args

import msgspec
import pytest
from unit.support.scaling import EIGHT, STABLE_S, Story, seen, with_fallback

from penstock_contract.route.scaling import ScalingSpec
from penstock_operator.scaling.decide import SAMPLE_S, Decision, Reason, decide
from penstock_operator.scaling.history import BUCKETS, GAP_MIN_S, History
from penstock_operator.scaling.observation import Unavailable

BROKER_AWAY = Unavailable("BrokerUnavailable")


def changed(spec: ScalingSpec = EIGHT, **fields: object) -> ScalingSpec:
    return msgspec.structs.replace(spec, **fields)


def told(decision: Decision) -> tuple[int | None, str]:
    return decision.replicas, decision.reason


# ---- up


def test_decide_scales_from_zero_to_the_backlog_in_one_step() -> None:
    assert told(Story().at(seen(0, pending=100))) == (13, "FromZero")


def test_decide_counts_waiting_and_in_flight_requests_as_demand() -> None:
    assert told(Story().at(seen(2, pending=9, in_flight=16))) == (4, "DemandRose")


def test_decide_full_slots_alone_require_no_more_workers() -> None:
    assert told(Story().at(seen(2, in_flight=16))) == (None, "Steady")


def test_decide_scales_out_for_waiting_requests_at_a_capped_in_flight() -> None:
    """LLMKube#482: one slot per worker, a gauge of at most one each, and it never grew."""
    assert told(Story(changed(concurrency_per_replica=1)).at(seen(1, in_flight=1, pending=3))) == (4, "DemandRose")


def test_decide_scales_out_to_a_large_backlog_and_not_to_the_mean_of_pulled_requests() -> None:
    """KubeAI#229: 2500 waiting, 500 each, took two hours to reach 8."""
    assert told(Story(changed(concurrency_per_replica=500)).at(seen(0, pending=2500))) == (5, "FromZero")


def test_decide_scales_out_at_once_after_an_hour_without_demand() -> None:
    story = Story()
    story.wait(STABLE_S, seen(1, in_flight=1))
    story.now += 1.0
    assert told(story.at(seen(1, in_flight=8, pending=60))) == (9, "DemandRose")


def test_decide_counts_starting_workers_as_capacity() -> None:
    story = Story()
    assert story.at(seen(0, pending=100)).replicas == 13
    for _ in range(60):
        story.now += 1.0
        assert told(story.at(seen(13, ready=0, pending=100))) == (None, "Steady")


def test_decide_adds_only_the_difference_while_workers_start() -> None:
    story = Story()
    story.at(seen(0, pending=100))
    story.now += 1.0
    assert told(story.at(seen(13, ready=0, pending=112))) == (14, "DemandRose")


@pytest.mark.parametrize(("percent", "replicas"), [(100, 13), (80, 16), (50, 25), (10, 125)])
def test_decide_keeps_slots_free_at_a_lower_utilization(percent: int, replicas: int) -> None:
    spec = changed(target_utilization_percent=percent, max_replicas=1000)
    assert Story(spec).at(seen(0, pending=100)).replicas == replicas


def test_decide_never_exceeds_the_maximum() -> None:
    assert told(Story().at(seen(0, pending=10_000))) == (20, "FromZero")


def test_decide_reports_the_maximum() -> None:
    decision = Story().at(seen(20, in_flight=160, pending=50))
    assert told(decision) == (None, "AtMaximum")
    assert "maxReplicas is 20" in decision.message


# ---- bounds


def test_decide_keeps_the_minimum_without_demand() -> None:
    assert told(Story(changed(min_replicas=2)).at(seen(0))) == (2, "BelowMinimum")


def test_decide_gives_demand_as_the_reason_above_the_minimum() -> None:
    assert told(Story(changed(min_replicas=2)).at(seen(0, pending=30))) == (4, "FromZero")


def test_decide_applies_a_lowered_maximum_at_once_in_a_panic() -> None:
    story = Story()
    story.at(seen(0, pending=100))
    story.spec = changed(max_replicas=5)
    assert told(story.at(seen(13, ready=0, pending=100))) == (5, "AboveMaximum")


def test_decide_applies_a_raised_minimum_at_once() -> None:
    story = Story()
    story.at(seen(1, in_flight=1))
    story.spec = changed(min_replicas=3)
    assert told(story.at(seen(1, in_flight=1))) == (3, "BelowMinimum")


def test_decide_scales_out_to_a_raised_maximum_at_once() -> None:
    story = Story(changed(max_replicas=5))
    assert told(story.at(seen(5, in_flight=40, pending=40))) == (None, "AtMaximum")
    story.spec = EIGHT
    assert told(story.at(seen(5, in_flight=40, pending=40))) == (10, "DemandRose")


# ---- down


def test_decide_scales_in_after_a_whole_stable_window() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    assert told(story.wait(STABLE_S - 1, seen(10, in_flight=20))) == (None, "StableWindow")
    seconds, decision = story.until_decided(seen(10, in_flight=20))
    assert seconds <= 1 + STABLE_S / BUCKETS
    assert told(decision) == (3, "DemandFell")


def test_decide_scales_in_to_the_windows_peak() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    story.wait(30, seen(10, in_flight=10))
    story.wait(10, seen(10, in_flight=50))
    _, decision = story.until_decided(seen(10, in_flight=10))
    assert told(decision) == (7, "DemandFell")


def test_decide_restarts_the_stable_window_after_a_moment_of_demand() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    story.wait(STABLE_S - 1, seen(10, in_flight=10))
    story.at(seen(10, in_flight=80))
    assert told(story.wait(STABLE_S - 1, seen(10, in_flight=10))) == (None, "StableWindow")


@pytest.mark.parametrize("mean", [20, 41, 80, 84, 100, 150])
@pytest.mark.parametrize("percent", [1, 3, 5])
def test_decide_keeps_the_number_under_noise(mean: int, percent: int) -> None:
    """llm-d-autoscaling#1427: 1 to 5 % of noise moved it every 15 s. Even minutes at either end of it must not."""
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
    assert told(decision) == (2, "DemandFell")


def test_decide_removes_nothing_with_an_empty_history_before_a_full_stable_window() -> None:
    story = Story()
    assert told(story.wait(STABLE_S - 1, seen(10))) == (None, "Learning")
    story.now += 1.0
    assert told(story.at(seen(10))) == (1, "DemandFell")


def test_decide_scales_out_at_once_with_an_empty_history() -> None:
    assert Story().at(seen(3, in_flight=24, pending=1)).replicas == 4


def test_decide_does_not_scale_in_with_a_hole_in_the_window() -> None:
    story = Story()
    story.wait(STABLE_S - 1, seen(10))
    story.now += STABLE_S
    assert told(story.at(seen(10))) == (None, "Learning")


def test_decide_takes_a_late_tick_for_no_hole() -> None:
    story = Story()
    story.wait(STABLE_S - 4, seen(10))
    story.now += GAP_MIN_S
    assert told(story.at(seen(10))) == (1, "DemandFell")


# ---- to zero


def test_decide_removes_the_last_worker_only_after_the_time_for_zero() -> None:
    story = Story()
    story.at(seen(1, in_flight=1))
    story.now += 1.0
    assert told(story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))) == (None, "ZeroWindow")
    story.now += 1.0
    assert told(story.at(seen(1))) == (0, "NoDemand")


def test_decide_restarts_the_time_for_zero_after_one_request() -> None:
    story = Story()
    story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))
    story.at(seen(1, in_flight=1))
    story.now += 1.0
    assert told(story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))) == (None, "ZeroWindow")


def test_decide_restarts_the_time_for_zero_after_a_hole() -> None:
    story = Story()
    story.wait(EIGHT.scale_to_zero_after_seconds - STABLE_S, seen(1))
    story.now += STABLE_S
    assert story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1)).replicas is None
    story.now += 1.0
    assert told(story.at(seen(1))) == (0, "NoDemand")


def test_decide_message_has_the_time_for_zero() -> None:
    assert "after 300 s" in Story().wait(STABLE_S, seen(1)).message
    assert "after 900 s" in Story(changed(scale_to_zero_after_seconds=900)).wait(STABLE_S, seen(1)).message


def test_decide_keeps_the_stable_window_with_a_shorter_time_for_zero() -> None:
    story = Story(changed(scale_to_zero_after_seconds=0))
    assert told(story.wait(STABLE_S - 1, seen(1))) == (None, "Learning")
    story.now += 1.0
    assert told(story.at(seen(1))) == (0, "NoDemand")


def test_decide_keeps_the_last_workers_of_a_minimum() -> None:
    story = Story(changed(min_replicas=1))
    assert told(story.wait(3600, seen(1))) == (None, "Steady")


def test_decide_is_steady_without_demand_and_workers() -> None:
    assert told(Story().at(seen(0))) == (None, "Steady")


# ---- panic


def test_decide_keeps_the_workers_of_a_panic_until_a_full_stable_window_without_a_surge() -> None:
    story = Story()
    assert told(story.at(seen(0, pending=160))) == (20, "FromZero")
    story.wait(3 * STABLE_S, seen(20, ready=2, in_flight=16, pending=100))
    assert told(story.wait(STABLE_S - 1, seen(20, in_flight=4))) == (None, "Panic")
    seconds, decision = story.until_decided(seen(20, in_flight=4))
    assert seconds <= 1 + STABLE_S / BUCKETS
    assert decision.reason == "DemandFell"


def test_decide_continues_a_panic_while_the_surge_lasts() -> None:
    story = Story()
    story.at(seen(0, pending=160))
    story.now += 1.0
    assert told(story.wait(3 * STABLE_S, seen(20, ready=2, in_flight=16, pending=20))) == (None, "Panic")


def test_decide_restores_removed_workers_in_a_panic() -> None:
    story = Story()
    story.at(seen(0, pending=100))
    story.now += 10.0
    assert told(story.at(seen(2, in_flight=3))) == (13, "Panic")
    assert told(story.at(seen(2, in_flight=3, pending=30))) == (13, "DemandRose")


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


# ---- unknown demand


def test_decide_takes_unknown_demand_not_for_zero() -> None:
    """keda#2244: the metrics' API was down, so the workload was scaled to zero."""
    story = Story()
    story.learn(seen(5, in_flight=40))
    decision = story.wait(3600, BROKER_AWAY)
    assert told(decision) == (None, "DemandUnknown")
    assert "BrokerUnavailable" in decision.message


def test_decide_starts_a_fallback_after_its_time() -> None:
    story = Story(with_fallback("Static", replicas=3))
    story.at(seen(1, in_flight=1))
    assert told(story.wait(59, BROKER_AWAY)) == (None, "DemandUnknown")
    story.now += 1.0
    assert told(story.at(BROKER_AWAY)) == (3, "Fallback")


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
    assert told(story.wait(60, Unavailable("QueueMissing", serving))) == expected


def test_decide_fallback_holds_with_an_unknown_number() -> None:
    assert told(Story(with_fallback("HoldIfHigher")).wait(3600, BROKER_AWAY)) == (None, "DemandUnknown")


def test_decide_applies_a_static_fallback_without_a_known_number() -> None:
    assert told(Story(with_fallback("Static", replicas=2)).wait(60, BROKER_AWAY)) == (2, "Fallback")


def test_decide_applies_the_bounds_to_an_unknown_demand() -> None:
    assert told(Story(changed(min_replicas=2)).at(Unavailable("BrokerUnavailable", 0))) == (2, "BelowMinimum")
    assert told(Story().at(Unavailable("BrokerUnavailable", 25))) == (20, "AboveMaximum")


def test_decide_ends_the_fallback_at_the_first_good_observation() -> None:
    story = Story(with_fallback("Static", replicas=3))
    story.wait(60, Unavailable("BrokerUnavailable", 1))
    story.now += 1.0
    assert told(story.at(seen(3, in_flight=24, pending=10))) == (5, "DemandRose")
    story.now += 1.0
    assert told(story.at(BROKER_AWAY)) == (None, "DemandUnknown")


def test_decide_removes_no_worker_for_a_stable_window_after_an_outage() -> None:
    story = Story()
    story.wait(STABLE_S - 1, seen(10))
    story.at(BROKER_AWAY)
    story.now += 1.0
    assert told(story.wait(STABLE_S - 1, seen(10))) == (None, "Learning")


def test_decide_outage_restarts_the_time_for_zero() -> None:
    story = Story()
    story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))
    story.at(BROKER_AWAY)
    story.now += 1.0
    story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))
    story.now += 1.0
    assert told(story.at(seen(1))) == (0, "NoDemand")


# ---- draining


def test_decide_counts_draining_workers_as_no_capacity() -> None:
    assert told(Story().at(seen(13, draining=10, in_flight=24, pending=16))) == (5, "DemandRose")


def test_decide_adds_no_worker_for_streams_on_draining_workers() -> None:
    story = Story()
    assert told(story.at(seen(13, draining=10, in_flight=20))) == (None, "Steady")


def test_decide_is_unchanged_by_the_drain_of_its_scale_in() -> None:
    story = Story()
    story.learn(seen(10, in_flight=10))
    assert story.at(seen(10, in_flight=10)).replicas == 2
    for _ in range(600):
        story.now += 1.0
        assert told(story.at(seen(10, draining=8, in_flight=10))) == (None, "Steady")


def test_decide_requires_draining_workers_for_returning_demand() -> None:
    assert told(Story().at(seen(10, draining=8, in_flight=16, pending=48))) == (8, "DemandRose")


def test_decide_scales_from_zero_while_the_last_worker_drains() -> None:
    assert told(Story().at(seen(1, draining=1, pending=1))) == (1, "FromZero")


# ---- paused and manual


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
    assert told(Story(changed(paused=paused)).at(seen(25))) == (None, "Paused")


def test_decide_pause_holds_the_fallback() -> None:
    story = Story(with_fallback("Static", replicas=3, paused="ScaleOut"))
    assert told(story.wait(60, Unavailable("BrokerUnavailable", 1))) == (None, "Paused")


def test_decide_pause_message_has_the_held_change() -> None:
    assert Story(changed(paused="All")).at(seen(0, pending=100)).message == ("FromZero requires 13, but paused is All")


def test_decide_pause_of_the_other_direction_changes_nothing() -> None:
    assert told(Story(changed(paused="ScaleIn")).at(seen(0))) == (None, "Steady")


@pytest.mark.parametrize("replicas", [0, 3, 50])
def test_decide_follows_the_spec_only_in_manual_mode(replicas: int) -> None:
    spec = changed(mode="Manual", replicas=replicas, min_replicas=1, max_replicas=10, paused="All")
    for observation in (seen(7, pending=500), seen(7), Unavailable("BrokerUnavailable", 7), BROKER_AWAY):
        assert told(Story(spec).at(observation)) == (replicas, "Manual")
    assert told(Story(spec).at(seen(replicas))) == (None, "Manual")


def test_decide_uses_no_history_of_manual_mode_in_auto_mode() -> None:
    story = Story()
    story.wait(STABLE_S - 1, seen(5))
    story.spec = changed(mode="Manual", replicas=5)
    story.wait(int(GAP_MIN_S) - 1, seen(5))
    story.spec = EIGHT
    assert told(story.at(seen(5))) == (None, "Learning")


# ---- when to look again


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
