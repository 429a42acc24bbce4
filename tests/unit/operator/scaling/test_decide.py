"""How many workers: one sentence of docs/operations/scaling.md per test."""

from typing import get_args

import msgspec
import pytest
from unit.support.scaling import EIGHT, STABLE_S, Story, seen, with_fallback

from penstock_contract.route.spec import ScalingSpec
from penstock_operator.scaling.decide import SAMPLE_S, Decision, Reason, decide
from penstock_operator.scaling.history import BUCKETS, GAP_MIN_S, History
from penstock_operator.scaling.observation import Unavailable

BROKER_AWAY = Unavailable("BrokerUnavailable")


def changed(spec: ScalingSpec = EIGHT, **fields: object) -> ScalingSpec:
    return msgspec.structs.replace(spec, **fields)


def told(decision: Decision) -> tuple[int | None, str]:
    return decision.replicas, decision.reason


# ---- up


def test_from_zero_to_what_the_backlog_needs_in_one_step() -> None:
    assert told(Story().at(seen(0, pending=100))) == (13, "FromZero")


def test_demand_is_what_waits_and_what_is_in_flight() -> None:
    assert told(Story().at(seen(2, pending=9, in_flight=16))) == (4, "DemandRose")


def test_decide_full_slots_alone_require_no_more_workers() -> None:
    assert told(Story().at(seen(2, in_flight=16))) == (None, "Steady")


def test_a_capped_in_flight_still_scales_out_as_what_waits_counts() -> None:
    """LLMKube#482: one slot per worker, a gauge of at most one each, and it never grew."""
    assert told(Story(changed(concurrency_per_replica=1)).at(seen(1, in_flight=1, pending=3))) == (4, "DemandRose")


def test_a_large_backlog_is_answered_from_the_queue_and_not_from_a_mean_of_what_was_pulled() -> None:
    """KubeAI#229: 2500 waiting, 500 each, took two hours to reach 8."""
    assert told(Story(changed(concurrency_per_replica=500)).at(seen(0, pending=2500))) == (5, "FromZero")


def test_a_burst_is_answered_at_once_after_an_hour_of_quiet() -> None:
    story = Story()
    story.wait(STABLE_S, seen(1, in_flight=1))
    story.now += 1.0
    assert told(story.at(seen(1, in_flight=8, pending=60))) == (9, "DemandRose")


def test_workers_that_start_count_as_capacity() -> None:
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
def test_a_lower_utilization_keeps_slots_free(percent: int, replicas: int) -> None:
    spec = changed(target_utilization_percent=percent, max_replicas=1000)
    assert Story(spec).at(seen(0, pending=100)).replicas == replicas


def test_never_beyond_the_maximum() -> None:
    assert told(Story().at(seen(0, pending=10_000))) == (20, "FromZero")


def test_decide_reports_the_maximum() -> None:
    decision = Story().at(seen(20, in_flight=160, pending=50))
    assert told(decision) == (None, "AtMaximum")
    assert "maxReplicas is 20" in decision.message


# ---- bounds


def test_the_minimum_is_kept_without_demand() -> None:
    assert told(Story(changed(min_replicas=2)).at(seen(0))) == (2, "BelowMinimum")


def test_demand_that_needs_more_than_the_minimum_is_the_reason_given() -> None:
    assert told(Story(changed(min_replicas=2)).at(seen(0, pending=30))) == (4, "FromZero")


def test_a_maximum_that_was_lowered_holds_at_once_in_the_midst_of_a_panic() -> None:
    story = Story()
    story.at(seen(0, pending=100))
    story.spec = changed(max_replicas=5)
    assert told(story.at(seen(13, ready=0, pending=100))) == (5, "AboveMaximum")


def test_a_minimum_that_was_raised_holds_at_once() -> None:
    story = Story()
    story.at(seen(1, in_flight=1))
    story.spec = changed(min_replicas=3)
    assert told(story.at(seen(1, in_flight=1))) == (3, "BelowMinimum")


def test_a_maximum_that_was_raised_lets_what_waits_through_at_once() -> None:
    story = Story(changed(max_replicas=5))
    assert told(story.at(seen(5, in_flight=40, pending=40))) == (None, "AtMaximum")
    story.spec = EIGHT
    assert told(story.at(seen(5, in_flight=40, pending=40))) == (10, "DemandRose")


# ---- down


def test_scale_in_waits_for_a_whole_stable_window() -> None:
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


def test_a_moment_of_demand_within_the_window_starts_it_anew() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    story.wait(STABLE_S - 1, seen(10, in_flight=10))
    story.at(seen(10, in_flight=80))
    assert told(story.wait(STABLE_S - 1, seen(10, in_flight=10))) == (None, "StableWindow")


@pytest.mark.parametrize("mean", [20, 41, 80, 84, 100, 150])
@pytest.mark.parametrize("percent", [1, 3, 5])
def test_noise_never_flips_the_number(mean: int, percent: int) -> None:
    """llm-d-autoscaling#1427: 1 to 5 % of noise moved it every 15 s. Even minutes at either end of it must not."""
    low, high = round(mean * (100 - percent) / 100), round(mean * (100 + percent) / 100)
    story = Story()
    replicas = -(-high // 8)
    story.learn(seen(replicas, in_flight=high))
    for demand in (low, high, low, mean, high):
        assert story.wait(3 * STABLE_S, seen(replicas, in_flight=demand)).replicas is None


def test_without_noise_to_fear_a_small_fleet_shrinks_to_what_it_needs() -> None:
    story = Story(changed(concurrency_per_replica=1))
    story.learn(seen(7, in_flight=7))
    _, decision = story.until_decided(seen(7, in_flight=2))
    assert told(decision) == (2, "DemandFell")


def test_an_empty_history_takes_nothing_away_before_a_full_stable_window() -> None:
    story = Story()
    assert told(story.wait(STABLE_S - 1, seen(10))) == (None, "Learning")
    story.now += 1.0
    assert told(story.at(seen(10))) == (1, "DemandFell")


def test_an_empty_history_does_not_delay_the_way_up() -> None:
    assert Story().at(seen(3, in_flight=24, pending=1)).replicas == 4


def test_a_window_with_a_hole_has_agreed_to_nothing() -> None:
    story = Story()
    story.wait(STABLE_S - 1, seen(10))
    story.now += STABLE_S
    assert told(story.at(seen(10))) == (None, "Learning")


def test_a_late_tick_is_no_hole() -> None:
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


def test_one_request_starts_the_time_for_zero_anew() -> None:
    story = Story()
    story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))
    story.at(seen(1, in_flight=1))
    story.now += 1.0
    assert told(story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1))) == (None, "ZeroWindow")


def test_a_hole_starts_the_time_for_zero_anew() -> None:
    story = Story()
    story.wait(EIGHT.scale_to_zero_after_seconds - STABLE_S, seen(1))
    story.now += STABLE_S
    assert story.wait(EIGHT.scale_to_zero_after_seconds - 1, seen(1)).replicas is None
    story.now += 1.0
    assert told(story.at(seen(1))) == (0, "NoDemand")


def test_decide_message_has_the_time_for_zero() -> None:
    assert "after 300 s" in Story().wait(STABLE_S, seen(1)).message
    assert "after 900 s" in Story(changed(scale_to_zero_after_seconds=900)).wait(STABLE_S, seen(1)).message


def test_a_time_for_zero_within_the_stable_window_does_not_shorten_that() -> None:
    story = Story(changed(scale_to_zero_after_seconds=0))
    assert told(story.wait(STABLE_S - 1, seen(1))) == (None, "Learning")
    story.now += 1.0
    assert told(story.at(seen(1))) == (0, "NoDemand")


def test_a_minimum_keeps_the_last_workers_for_ever() -> None:
    story = Story(changed(min_replicas=1))
    assert told(story.wait(3600, seen(1))) == (None, "Steady")


def test_decide_is_steady_without_demand_and_workers() -> None:
    assert told(Story().at(seen(0))) == (None, "Steady")


# ---- panic


def test_a_panic_keeps_what_it_has_needed_until_a_full_stable_window_without_a_surge() -> None:
    story = Story()
    assert told(story.at(seen(0, pending=160))) == (20, "FromZero")
    story.wait(3 * STABLE_S, seen(20, ready=2, in_flight=16, pending=100))
    assert told(story.wait(STABLE_S - 1, seen(20, in_flight=4))) == (None, "Panic")
    seconds, decision = story.until_decided(seen(20, in_flight=4))
    assert seconds <= 1 + STABLE_S / BUCKETS
    assert decision.reason == "DemandFell"


def test_a_panic_lasts_while_the_surge_does_though_the_demand_would_let_some_go() -> None:
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


def test_demand_that_the_ready_workers_nearly_serve_is_no_panic() -> None:
    story = Story()
    story.learn(seen(10, in_flight=80))
    story.wait(30, seen(10, in_flight=75))
    assert story.history.panic_at is None


def test_one_sample_within_the_panic_window_is_no_panic() -> None:
    story = Story()
    story.learn(seen(4, in_flight=20))
    story.at(seen(4, in_flight=32, pending=40))
    assert story.history.panic_at is None


# ---- unknown demand


def test_unknown_demand_is_not_zero() -> None:
    """keda#2244: the metrics' API was down, so the workload was scaled to zero."""
    story = Story()
    story.learn(seen(5, in_flight=40))
    decision = story.wait(3600, BROKER_AWAY)
    assert told(decision) == (None, "DemandUnknown")
    assert "BrokerUnavailable" in decision.message


def test_a_fallback_waits_for_its_time() -> None:
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


def test_a_static_fallback_needs_no_number_to_start_from() -> None:
    assert told(Story(with_fallback("Static", replicas=2)).wait(60, BROKER_AWAY)) == (2, "Fallback")


def test_the_bounds_hold_without_knowing_the_demand() -> None:
    assert told(Story(changed(min_replicas=2)).at(Unavailable("BrokerUnavailable", 0))) == (2, "BelowMinimum")
    assert told(Story().at(Unavailable("BrokerUnavailable", 25))) == (20, "AboveMaximum")


def test_the_first_good_observation_ends_the_fallback() -> None:
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


def test_workers_that_drain_are_no_capacity() -> None:
    assert told(Story().at(seen(13, draining=10, in_flight=24, pending=16))) == (5, "DemandRose")


def test_streams_that_end_with_their_worker_make_no_new_one() -> None:
    story = Story()
    assert told(story.at(seen(13, draining=10, in_flight=20))) == (None, "Steady")


def test_a_drain_for_a_scale_in_leaves_its_decision_alone() -> None:
    story = Story()
    story.learn(seen(10, in_flight=10))
    assert story.at(seen(10, in_flight=10)).replicas == 2
    for _ in range(600):
        story.now += 1.0
        assert told(story.at(seen(10, draining=8, in_flight=10))) == (None, "Steady")


def test_decide_requires_draining_workers_for_returning_demand() -> None:
    assert told(Story().at(seen(10, draining=8, in_flight=16, pending=48))) == (8, "DemandRose")


def test_from_zero_with_the_last_worker_draining_is_from_zero() -> None:
    assert told(Story().at(seen(1, draining=1, pending=1))) == (1, "FromZero")


# ---- paused and manual


@pytest.mark.parametrize(("paused", "up", "down"), [("ScaleIn", 13, None), ("ScaleOut", None, 1), ("All", None, None)])
def test_a_pause_stops_its_directions(paused: str, up: int | None, down: int | None) -> None:
    spec = changed(paused=paused)
    risen = Story(spec).at(seen(0, pending=100))
    fallen = Story(spec)
    fallen.learn(seen(5))
    assert risen.replicas == up
    assert fallen.at(seen(5)).replicas == down
    assert {"Paused"} == {one.reason for one in (risen, fallen.at(seen(5))) if one.replicas is None}


@pytest.mark.parametrize("paused", ["ScaleIn", "All"])
def test_a_pause_holds_above_a_lowered_maximum_too(paused: str) -> None:
    assert told(Story(changed(paused=paused)).at(seen(25))) == (None, "Paused")


def test_a_pause_holds_the_fallback_too() -> None:
    story = Story(with_fallback("Static", replicas=3, paused="ScaleOut"))
    assert told(story.wait(60, Unavailable("BrokerUnavailable", 1))) == (None, "Paused")


def test_decide_pause_message_has_the_held_change() -> None:
    assert Story(changed(paused="All")).at(seen(0, pending=100)).message == ("FromZero requires 13, but paused is All")


def test_a_pause_of_the_other_direction_changes_nothing() -> None:
    assert told(Story(changed(paused="ScaleIn")).at(seen(0))) == (None, "Steady")


@pytest.mark.parametrize("replicas", [0, 3, 50])
def test_in_manual_mode_nothing_but_the_spec_decides(replicas: int) -> None:
    spec = changed(mode="Manual", replicas=replicas, min_replicas=1, max_replicas=10, paused="All")
    for observation in (seen(7, pending=500), seen(7), Unavailable("BrokerUnavailable", 7), BROKER_AWAY):
        assert told(Story(spec).at(observation)) == (replicas, "Manual")
    assert told(Story(spec).at(seen(replicas))) == (None, "Manual")


def test_what_happened_in_manual_mode_proves_nothing_for_auto() -> None:
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
def test_a_route_at_rest_need_not_be_looked_at(spec: ScalingSpec, observation: object) -> None:
    assert Story(spec).at(observation).again_in_s is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "observation", [seen(0, pending=1), seen(1), seen(1, in_flight=1), seen(2, draining=1), BROKER_AWAY]
)
def test_all_others_are_looked_at_again(observation: object) -> None:
    assert Story().at(observation).again_in_s == SAMPLE_S  # type: ignore[arg-type]


def test_decide_leaves_the_history_that_it_was_given_alone() -> None:
    before = History()
    decide(EIGHT, seen(3, in_flight=3), before, 1.0)
    assert before == History()


def test_every_reason_is_one_camel_case_word() -> None:
    assert all(reason.isalpha() and reason[0].isupper() for reason in get_args(Reason))
