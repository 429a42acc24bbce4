"""The input of `decide` for one route: observations by their numbers, and time that passes."""

from typing import Any

from msgspec import structs

from penstock_contract.route.scaling import FallbackSpec, ScalingSpec
from penstock_operator.scaling.decision import Decision, decide
from penstock_operator.scaling.history import History
from penstock_operator.scaling.observation import Observation, Unavailable

EIGHT = ScalingSpec(concurrency_per_replica=8, max_replicas=20)
"""Eight slots, nothing else changed but the maximum."""
STABLE_S = EIGHT.stable_window_seconds


def with_fallback(behavior: Any, *, replicas: int = 1, after_seconds: int = 60, **others: Any) -> ScalingSpec:
    fallback = FallbackSpec(behavior=behavior, replicas=replicas, after_seconds=after_seconds)
    return structs.replace(EIGHT, fallback=fallback, **others)


def seen(replicas: int, *, pending: int = 0, in_flight: int = 0, draining: int = 0, ready: int = -1) -> Observation:
    """All workers that do not drain are ready by default."""
    return Observation(
        replicas=replicas,
        ready=replicas - draining if ready < 0 else ready,
        draining=draining,
        pending=pending,
        in_flight=in_flight,
    )


class Story:
    """Decisions one after the other. Time passes in `wait`, second by second with the same observation."""

    def __init__(self, spec: ScalingSpec = EIGHT) -> None:
        self.spec = spec
        self.now = 1000.0
        self.history = History()

    def at(self, observation: Observation | Unavailable) -> Decision:
        decision, self.history = decide(self.spec, observation, self.history, self.now)
        return decision

    def wait(self, seconds: int, observation: Observation | Unavailable) -> Decision:
        """The last decision, after `seconds` without a change."""
        decision = self.at(observation)
        for _ in range(seconds):
            assert decision.replicas is None, decision
            self.now += 1.0
            decision = self.at(observation)
        return decision

    def until_decided(self, observation: Observation | Unavailable) -> tuple[int, Decision]:
        """The seconds until a change, and the change."""
        for seconds in range(3600):
            decision = self.at(observation)
            if decision.replicas is not None:
                return seconds, decision
            self.now += 1.0
        raise AssertionError(decision)

    def learn(self, observation: Observation) -> None:
        """Passes more than a full stable window with the same load, with any decisions in it."""
        for _ in range(STABLE_S + 5):
            self.at(observation)
            self.now += 1.0
