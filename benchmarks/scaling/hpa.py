"""KEDA with a queue's scaler: KEDA moves between 0 and 1, the HorizontalPodAutoscaler between 1 and N.

Ported, not copied, from
- kubernetes/kubernetes pkg/controller/podautoscaler: replica_calculator.go (GetExternalPerPodMetricReplicas),
  horizontal.go (stabilizeRecommendationWithBehaviors, calculateScaleUpLimitWithScalingRules),
  and the default behaviour of pkg/apis/autoscaling/v2/defaults.go;
- kedacore/keda pkg/scaling/executor/scale_scaledobjects.go (RequestScale, scaleToZero).
"""

import math

from scaling.world import MAX_REPLICAS, SLOTS, World

SYNC_S = 15.0
SYNC_PHASE_S = 7.0
"""The two loops start at different moments."""
TOLERANCE = 0.1
DOWN_WINDOW_S = 300.0
UP_PODS = 4
UP_PERIOD_S = 15.0
POLL_S = 30.0
COOLDOWN_S = 300.0


def per_pod_metric_replicas(current: int, metric: float, target: float) -> int:
    """The replicas that an AverageValue metric requires; within the tolerance, the current number."""
    if abs(1 - metric / (target * current)) <= TOLERANCE:
        return current
    return math.ceil(metric / target)


class Behavior:
    """The default `behavior`: up by 100 % or 4 pods in 15 s, down to the highest of the last 300 s at once."""

    def __init__(self) -> None:
        self._recommended: list[tuple[float, int]] = []
        self._added: list[tuple[float, int]] = []

    def limit(self, current: int, desired: int, now: float) -> int:
        """The number to scale to, between 1 (KEDA's HPA has no less) and the maximum."""
        self._recommended = [(at, number) for at, number in self._recommended if now - at < DOWN_WINDOW_S]
        stable = desired
        if desired < current:
            stable = max([desired, *(number for _, number in self._recommended)])
        self._recommended.append((now, desired))
        if stable > current:
            self._added = [(at, number) for at, number in self._added if now - at < UP_PERIOD_S]
            before = current - sum(number for _, number in self._added)
            stable = max(current, min(stable, max(2 * before, before + UP_PODS), MAX_REPLICAS))
            self._added.append((now, stable - current))
        return min(max(stable, 1), MAX_REPLICAS)


class KedaHpa:
    name = "KEDA + HPA v2"
    grace_s = 30.0

    def __init__(self) -> None:
        self._behavior = Behavior()
        self._active_at = -math.inf

    def on_waiting(self, world: World) -> float | None:  # noqa: ARG002 -- KEDA polls
        return None

    def tick(self, world: World) -> float | None:
        metric = world.pending + world.in_flight  # the NATS scaler: num_pending + num_ack_pending
        if not world.blind:
            if world.now % POLL_S == 0:
                self._poll(world, metric)
            if world.now % SYNC_S == SYNC_PHASE_S and world.replicas > 0:
                self._sync(world, metric)
        poll_at = (world.now // POLL_S + 1) * POLL_S
        sync_at = ((world.now - SYNC_PHASE_S) // SYNC_S + 1) * SYNC_S + SYNC_PHASE_S
        return min(poll_at, sync_at)

    def _poll(self, world: World, metric: int) -> None:
        if metric > 0:
            self._active_at = world.now
            if world.replicas == 0:
                world.scale(1)
        elif world.replicas > 0 and world.now - self._active_at > COOLDOWN_S:
            world.scale(0)

    def _sync(self, world: World, metric: int) -> None:
        current = world.replicas
        desired = per_pod_metric_replicas(current, metric, SLOTS)
        number = self._behavior.limit(current, desired, world.now)
        if number != current:
            world.scale(number)
