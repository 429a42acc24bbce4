"""Decides how many workers a route should have now; pure. Other modules carry the decision out.

Scale-out is immediate, by the present waiting and running requests. Scale-in needs a whole window of lower demand, and
follows the window's maximum. Unknown demand never means zero. docs/operations/scaling.md describes each rule.
"""

from typing import Final, Literal, get_args

from msgspec import Struct

from penstock_contract.route.scaling import ScalingSpec
from penstock_operator.scaling.history import History
from penstock_operator.scaling.observation import Observation, Unavailable

SAMPLE_S = 1.0
"""Interval of observations while the number may have to change without an event."""
HYSTERESIS = 8
"""A scale-in keeps capacity for an eighth above the window's peak: demand that varies by ±5 % spans 10.5 % of it."""

Reason = Literal[
    "Manual",
    "FromZero",
    "DemandRose",
    "BelowMinimum",
    "AboveMaximum",
    "DemandFell",
    "NoDemand",
    "Panic",
    "Fallback",
    "Steady",
    "AtMaximum",
    "Learning",
    "StableWindow",
    "ZeroWindow",
    "DemandUnknown",
    "Paused",
]
"""Closed set: a metric's label, `status.lastDecision.reason` and the reason of an Event."""

CHANGES: Final[tuple[Reason, ...]] = get_args(Reason)[: get_args(Reason).index("Steady")]
"""The reasons for which a number of workers changes."""


class Decision(Struct, frozen=True):
    """`replicas` is the number of serving workers, without draining ones; None holds the present number.

    `again_in_s` is the delay of the next observation. None: only an event can change the decision, that is an
    activation, a worker's heartbeat with requests in flight, or a change of the route or its Deployment.
    """

    replicas: int | None
    reason: Reason
    message: str
    again_in_s: float | None = None


def decide(
    spec: ScalingSpec, observation: Observation | Unavailable, history: History, now: float
) -> tuple[Decision, History]:
    """Returns the decision and the history for the next call. `now` is monotonic seconds."""
    if spec.mode == "Manual":
        # The history of this time does not count after a return to Auto.
        return _manual(spec, observation.serving), History()
    if isinstance(observation, Unavailable):
        history = history.unknown(now)
        serving = history.serving if observation.serving is None else observation.serving
        return _paused(spec, serving, _without_observation(spec, observation.reason, serving, history, now)), history
    stable_s = float(spec.stable_window_seconds)
    history = history.observed(
        observation.demand, observation.serving, now, stable_s=stable_s, panic_s=float(spec.panic_window_seconds)
    )
    history = history.panicking(
        now, surge=_surge(spec, observation, history), demand=observation.demand, stable_s=stable_s
    )
    return _paused(spec, observation.serving, _seen(spec, observation, history, now)), history


def replicas_for(spec: ScalingSpec, demand: float) -> int:
    """Workers whose slots hold `demand` at the target utilization; not bounded."""
    return -int(-demand * 100 // (spec.concurrency_per_replica * spec.target_utilization_percent))


def _bounded(spec: ScalingSpec, replicas: int) -> int:
    return min(max(replicas, spec.min_replicas), spec.max_replicas)


def _surge(spec: ScalingSpec, observation: Observation, history: History) -> bool:
    """True if the panic window's mean needs a multiple of the ready workers."""
    wanted = replicas_for(spec, history.panic.mean)
    return wanted * 100 >= spec.panic_threshold_percent * max(1, observation.ready)


def _manual(spec: ScalingSpec, serving: int | None) -> Decision:
    replicas = None if serving == spec.replicas else spec.replicas
    return Decision(replicas, "Manual", f"spec.scaling.replicas is {spec.replicas}")


def _without_observation(spec: ScalingSpec, reason: str, serving: int | None, history: History, now: float) -> Decision:
    """Decides without known demand: the bounds first, then the fallback once it is due."""
    if serving is not None and (beyond := _beyond_bounds(spec, serving)):
        return beyond
    unknown_s = now - (now if history.unknown_since is None else history.unknown_since)
    after_s = float(spec.fallback.after_seconds)
    behavior = spec.fallback.behavior
    why = f"demand is unknown ({reason})"
    if unknown_s < after_s or behavior == "Hold" or (behavior == "HoldIfHigher" and serving is None):
        return Decision(None, "DemandUnknown", f"{why}; the number of workers is held", SAMPLE_S)
    replicas = _bounded(spec, spec.fallback.replicas)
    if serving is not None:
        # Unknown demand never removes the last worker.
        replicas = max(replicas, serving if behavior == "HoldIfHigher" else min(serving, 1))
    message = f"{why} for {unknown_s:.0f} s; the fallback {behavior} requires {replicas}"
    return Decision(None if replicas == serving else replicas, "Fallback", message, SAMPLE_S)


def _seen(spec: ScalingSpec, observation: Observation, history: History, now: float) -> Decision:
    serving, demand = observation.serving, observation.demand
    needed = replicas_for(spec, demand)
    wanted = _bounded(spec, needed)
    # A panic keeps its peak: workers that were removed during it are restored.
    remembered = 0 if history.panic_at is None else _bounded(spec, replicas_for(spec, history.panic_peak))
    load = f"{observation.pending} waiting and {observation.in_flight} in flight need {needed}"
    if needed > spec.max_replicas:
        load += f", maxReplicas is {spec.max_replicas}"
    if wanted > serving and needed > serving:
        return Decision(max(wanted, remembered), "FromZero" if serving == 0 else "DemandRose", load, SAMPLE_S)
    if remembered > serving:
        return Decision(remembered, "Panic", f"{load}; the peak of the current burst needed {remembered}", SAMPLE_S)
    if beyond := _beyond_bounds(spec, serving):
        return beyond
    if wanted == serving:
        at_rest = demand == 0 and serving == spec.min_replicas
        reason: Reason = "AtMaximum" if needed > spec.max_replicas else "Steady"
        return Decision(None, reason, load, None if at_rest else SAMPLE_S)
    if history.panic_at is not None:
        left_s = spec.stable_window_seconds - (now - history.panic_at)
        return Decision(None, "Panic", f"{load}; a burst keeps the present number for {left_s:.0f} s more", SAMPLE_S)
    return _fewer(spec, serving, history, load, now)


def _beyond_bounds(spec: ScalingSpec, serving: int) -> Decision | None:
    if serving > spec.max_replicas:
        return Decision(spec.max_replicas, "AboveMaximum", f"maxReplicas is {spec.max_replicas}", SAMPLE_S)
    if serving < spec.min_replicas:
        message = f"minReplicas is {spec.min_replicas}"
        return Decision(_bounded(spec, serving), "BelowMinimum", message, SAMPLE_S)
    return None


def _fewer(spec: ScalingSpec, serving: int, history: History, load: str, now: float) -> Decision:
    """Decides whether the history allows a scale-in, and how far."""
    stable_s = spec.stable_window_seconds
    covered_s = now - (now if history.covered_since is None else history.covered_since)
    if covered_s < stable_s:
        message = f"{load}; demand has been known for {covered_s:.0f} of {stable_s} s"
        return Decision(None, "Learning", message, SAMPLE_S)
    peak = history.stable.peak
    agreed = _bounded(spec, replicas_for(spec, peak + peak // HYSTERESIS))
    if agreed == 0 and not _idle_long_enough(spec, history, now):
        agreed = 1
        if serving == 1:
            zero_s = max(stable_s, spec.scale_to_zero_after_seconds)
            return Decision(None, "ZeroWindow", f"the last worker is removed after {zero_s} s without demand", SAMPLE_S)
    if agreed >= serving:
        message = f"{load}; the last {stable_s} s needed up to {peak} slots"
        return Decision(None, "StableWindow", message, SAMPLE_S)
    if agreed == 0:
        idle_s = now - (now if history.idle_since is None else history.idle_since)
        return Decision(0, "NoDemand", f"no demand for {idle_s:.0f} s", SAMPLE_S)
    message = f"the last {stable_s} s needed at most {peak} slots"
    return Decision(agreed, "DemandFell", message, SAMPLE_S)


def _idle_long_enough(spec: ScalingSpec, history: History, now: float) -> bool:
    """Only called when the stable window already allows a scale-in."""
    return history.idle_since is not None and now - history.idle_since >= spec.scale_to_zero_after_seconds


def _paused(spec: ScalingSpec, serving: int | None, decision: Decision) -> Decision:
    """The same decision, or a hold if its direction is paused."""
    if decision.replicas is None or spec.paused == "None":
        return decision
    # With an unknown present number the direction is unknown too: a pause must not be violated by chance.
    up = serving is None or decision.replicas > serving
    down = serving is None or decision.replicas < serving
    if spec.paused == "All" or (spec.paused == "ScaleOut" and up) or (spec.paused == "ScaleIn" and down):
        message = f"{decision.reason} requires {decision.replicas}, but paused is {spec.paused}"
        return Decision(None, "Paused", message, decision.again_in_s)
    return decision
