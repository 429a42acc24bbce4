"""Knative's pod autoscaler (KPA) with its defaults, and the activator that buffers requests and activates it.

Ported, not copied, from knative/serving pkg/autoscaler/scaling/autoscaler.go (Scale), pkg/autoscaler/aggregation/
bucketing.go (WindowAverage), pkg/autoscaler/scaling/multiscaler.go (Poke), pkg/reconciler/autoscaling/kpa/scaler.go
(handleScaleToZero) and config/core/configmaps/autoscaler.yaml. A revision's pods get `timeoutSeconds` (300) as grace.
"""

import math
from collections import deque

from scaling.world import MAX_REPLICAS, SLOTS, World

TICK_S = 2.0
REPORT_S = 1.0
STABLE_S = 60.0
PANIC_S = 6.0
PANIC_THRESHOLD = 2.0
MAX_UP_RATE = 1000.0
MAX_DOWN_RATE = 2.0
TARGET = 0.7 * SLOTS
ZERO_GRACE_S = 30.0


class Scaler:
    """`Scale` of one revision: stable and panic mode, without the burst capacity that is about the activator only."""

    def __init__(
        self,
        target: float = TARGET,
        *,
        max_up_rate: float = MAX_UP_RATE,
        max_down_rate: float = MAX_DOWN_RATE,
        stable_s: float = STABLE_S,
    ) -> None:
        self._target = target
        self._max_up_rate = max_up_rate
        self._max_down_rate = max_down_rate
        self._stable_s = stable_s
        self.panic_at: float | None = None
        self.panic_pods = 0

    def scale(self, stable: float, panic: float, ready: int, now: float) -> int:
        pods = max(1, ready)
        highest = math.ceil(self._max_up_rate * pods)
        lowest = math.floor(pods / self._max_down_rate)
        stable_pods = math.ceil(stable / self._target)
        panic_pods = math.ceil(panic / self._target)
        over = panic_pods / pods >= PANIC_THRESHOLD
        desired = min(max(stable_pods, lowest), highest)
        desired_in_panic = min(max(panic_pods, lowest), highest)
        if over:
            self.panic_at = now
        elif self.panic_at is not None and self.panic_at + self._stable_s < now:
            self.panic_at = None
            self.panic_pods = 0
        if self.panic_at is None:
            return desired
        self.panic_pods = max(self.panic_pods, desired, desired_in_panic)
        return self.panic_pods


class Averages:
    """Reports of the last minute; a window's mean is over those that came, None when none did."""

    def __init__(self) -> None:
        self._reports: deque[tuple[float, int]] = deque()

    def report(self, value: int, now: float) -> None:
        self._reports.append((now, value))
        while now - self._reports[0][0] >= STABLE_S:
            self._reports.popleft()

    def mean(self, window_s: float, now: float) -> float | None:
        values = [value for at, value in self._reports if now - at < window_s]
        return sum(values) / len(values) if values else None


class Knative:
    name = "Knative KPA"
    grace_s = 300.0

    def __init__(self) -> None:
        self._scaler = Scaler()
        self._averages = Averages()
        self._zero_since: float | None = None

    def on_waiting(self, world: World) -> float | None:
        return world.now if world.replicas == 0 else None

    def tick(self, world: World) -> float | None:
        demand = world.pending + sum(pod.streams for pod in world.members)
        woken = world.replicas == 0 and demand > 0
        if not world.blind:
            self._averages.report(demand, world.now)
        if woken or world.now % TICK_S == 0:
            self._decide(world)
        if world.replicas == 0 and demand == 0:
            return None
        return (world.now // REPORT_S + 1) * REPORT_S

    def _decide(self, world: World) -> None:
        stable = self._averages.mean(STABLE_S, world.now)
        if stable is None:
            return
        panic = self._averages.mean(PANIC_S, world.now) or 0.0
        ready = sum(pod.pulls for pod in world.members)
        desired = min(self._scaler.scale(stable, panic, ready, world.now), MAX_REPLICAS)
        if desired > 0:
            self._zero_since = None
        elif world.replicas > 0:
            self._zero_since = world.now if self._zero_since is None else self._zero_since
            if world.now - self._zero_since < ZERO_GRACE_S:
                desired = 1
        if desired != world.replicas:
            world.scale(desired)
