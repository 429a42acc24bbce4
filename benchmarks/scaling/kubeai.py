"""KubeAI's model autoscaler: the mean of ten minutes, and one replica from zero.

Ported, not copied, from substratusai/kubeai internal/modelautoscaler/autoscaler.go (Start), internal/modelclient/
scale.go (ScaleAtLeastOneReplica, Scale), internal/movingaverage/simple.go and the defaults of internal/config/system.go
and of a Model's `scaleDownDelaySeconds`. Its pods have Kubernetes' own grace of 30 s.
"""

import math
from collections import deque

from scaling.world import MAX_REPLICAS, SLOTS, World

INTERVAL_S = 10.0
WINDOW_S = 600.0
SCALE_DOWN_DELAY_S = 30.0


class MovingAverage:
    """Of the last `length` values; starts with zeros, which count."""

    def __init__(self, length: int) -> None:
        self._values = deque([0.0] * length, maxlen=length)

    def next(self, value: float) -> float:
        self._values.append(value)
        return sum(self._values) / len(self._values)


class ScaleDowns:
    """A scale-in must be required `required` times in a row before it is done."""

    def __init__(self, required: int) -> None:
        self._required = required
        self._consecutive = 0

    def allow(self, existing: int, wanted: int) -> bool:
        if wanted >= existing:
            self._consecutive = 0
            return True
        if self._consecutive < self._required:
            self._consecutive += 1
            return False
        return True


class KubeAI:
    name = "KubeAI"
    grace_s = 30.0

    def __init__(self) -> None:
        self._average = MovingAverage(int(WINDOW_S / INTERVAL_S))
        self._downs = ScaleDowns(math.ceil(SCALE_DOWN_DELAY_S / INTERVAL_S))

    def on_waiting(self, world: World) -> float | None:
        if world.replicas == 0:
            world.scale(1)
        return None

    def tick(self, world: World) -> float | None:
        if not world.blind:
            mean = self._average.next(world.pending + world.in_flight)
            wanted = min(math.ceil(mean / SLOTS), MAX_REPLICAS)
            if self._downs.allow(world.replicas, wanted) and wanted != world.replicas:
                world.scale(wanted)
        return world.now + INTERVAL_S
