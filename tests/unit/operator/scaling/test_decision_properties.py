"""Properties of decisions for every spec, every history and every load."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.route.scaling import FallbackSpec, ScalingSpec
from penstock_operator.scaling.decision import Decision, decide
from penstock_operator.scaling.history import BUCKETS_MAX, History
from penstock_operator.scaling.observation import Observation, Unavailable

Moment = tuple[float, Observation | Unavailable]


@st.composite
def specs(draw: st.DrawFn) -> ScalingSpec:
    least = draw(st.integers(0, 5))
    stable = draw(st.integers(2, 120))
    return ScalingSpec(
        min_replicas=least,
        max_replicas=draw(st.integers(max(1, least), 30)),
        concurrency_per_replica=draw(st.integers(1, 20)),
        target_utilization_percent=draw(st.integers(10, 100)),
        stable_window_seconds=stable,
        panic_window_seconds=draw(st.integers(1, stable)),
        panic_threshold_percent=draw(st.integers(110, 1000)),
        scale_to_zero_after_seconds=draw(st.integers(0, 300)),
        fallback=FallbackSpec(
            after_seconds=draw(st.integers(1, 120)),
            behavior=draw(st.sampled_from(["Hold", "Static", "HoldIfHigher"])),
            replicas=draw(st.integers(0, 40)),
        ),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    replicas = draw(st.integers(0, 40))
    draining = draw(st.integers(0, replicas))
    return Observation(
        replicas=replicas,
        ready=draw(st.integers(0, replicas - draining)),
        draining=draining,
        pending=draw(st.integers(0, 500)),
        in_flight=draw(st.integers(0, 500)),
    )


unknowns = st.builds(Unavailable, st.just("BrokerUnavailable"), st.none() | st.integers(0, 40))
pasts = st.lists(st.tuples(st.floats(0.01, 90), observations() | unknowns), max_size=40)
"""Generates steps of time, each with the observation after it."""


def live(spec: ScalingSpec, past: Sequence[Moment]) -> tuple[History, float]:
    history, now = History(), 0.0
    for step, observation in past:
        now += step
        _, history = decide(spec, observation, history, now)
    return history, now


def after(spec: ScalingSpec, past: Sequence[Moment], observation: Observation | Unavailable) -> Decision:
    history, now = live(spec, past)
    return decide(spec, observation, history, now + 1.0)[0]


@given(specs(), pasts, observations())
def test_decide_always_keeps_the_bounds(spec: ScalingSpec, past: Sequence[Moment], observation: Observation) -> None:
    decision = after(spec, past, observation)
    replicas = observation.serving if decision.replicas is None else decision.replicas
    assert spec.min_replicas <= replicas <= spec.max_replicas


@given(specs(), pasts, observations())
def test_decide_scales_out_to_present_demand_at_once(
    spec: ScalingSpec, past: Sequence[Moment], observation: Observation
) -> None:
    decision = after(spec, past, observation)
    replicas = observation.serving if decision.replicas is None else decision.replicas
    room = replicas * spec.concurrency_per_replica * spec.target_utilization_percent
    assert room >= observation.demand * 100 or replicas == spec.max_replicas


@given(specs(), pasts, st.integers(0, 40))
def test_decide_removes_nothing_for_an_unknown_demand_but_for_a_bound_or_a_static_fallback(
    spec: ScalingSpec, past: Sequence[Moment], serving: int
) -> None:
    decision = after(spec, past, Unavailable("QueueMissing", serving))
    if decision.replicas is None or decision.replicas >= serving:
        return
    assert decision.replicas >= 1
    if spec.fallback.behavior == "Static" and decision.reason == "Fallback":
        assert decision.replicas >= min(spec.fallback.replicas, spec.max_replicas)
    else:
        assert decision.replicas == spec.max_replicas


@given(specs(), pasts, observations())
def test_decide_removes_nothing_within_the_stable_window(
    spec: ScalingSpec, past: Sequence[Moment], observation: Observation
) -> None:
    """The number covers the need of each moment of the last window, and the window was observed completely."""
    history, now = live(spec, past)
    now += 1.0
    decision, _ = decide(spec, observation, history, now)
    if decision.replicas is None or decision.replicas >= min(observation.serving, spec.max_replicas):
        return
    cutoff = now - spec.stable_window_seconds
    at, unknown_at, first_at = 0.0, -1.0, None
    for step, earlier in past:
        at += step
        first_at = at if first_at is None else first_at
        if isinstance(earlier, Unavailable):
            unknown_at = at
        elif at >= cutoff:
            room = decision.replicas * spec.concurrency_per_replica * spec.target_utilization_percent
            assert room >= earlier.demand * 100 or decision.replicas == spec.max_replicas
    assert first_at is not None
    assert first_at <= cutoff
    assert unknown_at < cutoff


@given(specs(), pasts, observations(), st.integers(1, 200))
def test_decide_more_waiting_requests_never_reduce_the_number(
    spec: ScalingSpec, past: Sequence[Moment], observation: Observation, more: int
) -> None:
    history, now = live(spec, past)

    def replicas(seen: Observation) -> int:
        decision, _ = decide(spec, seen, history, now + 1.0)
        return observation.serving if decision.replicas is None else decision.replicas

    assert replicas(msgspec.structs.replace(observation, pending=observation.pending + more)) >= replicas(observation)


@given(specs(), pasts, observations(), st.sampled_from(["ScaleIn", "ScaleOut", "All"]))
def test_decide_never_breaks_a_pause(
    spec: ScalingSpec, past: Sequence[Moment], observation: Observation, paused: str
) -> None:
    decision = after(msgspec.structs.replace(spec, paused=paused), past, observation)
    if decision.replicas is not None:
        assert paused != "All"
        assert (decision.replicas > observation.serving) == (paused == "ScaleIn")


@given(specs(), pasts, observations())
def test_decide_does_not_repeat_an_executed_decision(
    spec: ScalingSpec, past: Sequence[Moment], observation: Observation
) -> None:
    history, now = live(spec, past)
    decision, history = decide(spec, observation, history, now + 1.0)
    if decision.replicas is None:
        return
    carried_out = msgspec.structs.replace(observation, replicas=decision.replicas, draining=0)
    assert decide(spec, carried_out, history, now + 1.1)[0].replicas is None


@given(st.lists(st.tuples(specs(), st.floats(0.001, 30), observations() | unknowns), max_size=300))
def test_history_is_bounded_for_any_windows_and_any_rate(
    past: Sequence[tuple[ScalingSpec, float, Observation | Unavailable]],
) -> None:
    history, now = History(), 0.0
    for spec, step, observation in past:
        now += step
        _, history = decide(spec, observation, history, now)
        assert max(len(history.stable.buckets), len(history.panic.buckets)) <= BUCKETS_MAX
