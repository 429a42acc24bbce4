"""A route in virtual time: requests wait in one queue, workers with a free slot pull, pods start, drain and exit.

All autoscalers get Penstock's queue: one fair queue, never more requests on a worker than it has slots. So the
autoscalers differ in two things only: the number that they request, and whether a terminating pod finishes its streams.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from scaling.traces import Trace

SLOTS = 8
MAX_REPLICAS = 20


class Autoscaler(Protocol):
    """`grace_s` is how long a pod that is deleted may go on. `tick` returns the moment of the next one, if any."""

    name: str
    grace_s: float

    def tick(self, world: "World") -> float | None: ...

    def on_waiting(self, world: "World") -> float | None:
        """A request waits as there is no free slot: whether this is worth a tick, and at what moment."""


@dataclass(eq=False)
class Pod:
    name: str
    created_at: float
    ready: bool = False
    draining: bool = False
    deleted: bool = False
    gone: bool = False
    streams: int = 0

    @property
    def pulls(self) -> bool:
        return self.ready and not self.draining and not self.deleted


@dataclass
class Tally:
    waits: list[float] = field(default_factory=list)
    pod_seconds: float = 0.0
    requested: list[int] = field(default_factory=list)
    cut: int = 0

    @property
    def flaps(self) -> int:
        """How often the number turned: a rise after a fall, or a fall after a rise."""
        rises = [after > before for before, after in itertools.pairwise(self.requested) if after != before]
        return sum(one is not other for one, other in itertools.pairwise(rises))


class World:
    """One run. `replicas` is the Deployment's desired number; `pods` are all that exist, those being deleted too."""

    def __init__(self, trace: Trace, autoscaler: Autoscaler) -> None:
        self.now = 0.0
        self.replicas = 0
        self.pods: list[Pod] = []
        self.tally = Tally(requested=[0])
        self._trace = trace
        self._requests = iter(trace.requests)
        self._autoscaler = autoscaler
        self._draw = random.Random(trace.name)
        self._waiting: deque[tuple[float, float]] = deque()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._tick_at = math.inf

    @property
    def blind(self) -> bool:
        begin, end = self._trace.outage
        return begin <= self.now < end

    @property
    def pending(self) -> int:
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Everywhere, on pods that drain or are being deleted too."""
        return sum(pod.streams for pod in self.pods)

    @property
    def members(self) -> list[Pod]:
        """The pods that count for the Deployment: not being deleted."""
        return [pod for pod in self.pods if not pod.deleted]

    def run(self) -> Tally:
        self._expect()
        self._tick_at_last(0.0)
        while self._events:
            at, _, event = heapq.heappop(self._events)
            # Ticks alone keep nothing alive.
            if at > self._trace.until_s and not self._waiting:
                break
            self.now = at
            event()
        end = max(self.now, self._trace.until_s)
        self.tally.pod_seconds += sum(end - pod.created_at for pod in self.pods)
        return self.tally

    def request_replicas(self, number: int) -> None:
        """Take note of a number for the count of flaps; `scale` does so itself."""
        self.tally.requested.append(number)

    def scale(self, replicas: int) -> None:
        """As a ReplicaSet chooses: pods that are not ready first, else by chance."""
        self.request_replicas(replicas)
        excess = len(self.members) - replicas
        if excess > 0:
            order = sorted(self.members, key=lambda pod: (pod.ready, self._draw.random()))
            for pod in order[:excess]:
                self.delete(pod)
        self.set_replicas(replicas)

    def set_replicas(self, replicas: int) -> None:
        """Pods that are missing start now. Those that are too many must have been deleted before."""
        self.replicas = replicas
        while len(self.members) < replicas:
            pod = Pod(f"worker-{next(self._order)}", self.now)
            self.pods.append(pod)
            self._at(self.now + self._trace.cold_start_s, partial(self._started, pod))

    def delete(self, pod: Pod) -> None:
        pod.deleted = True
        if pod.streams == 0:
            self._remove(pod)
        else:
            self._at(self.now + self._autoscaler.grace_s, partial(self._kill, pod))

    def serve(self) -> None:
        """Hand what waits to free slots. Called whenever one may have come free, so nothing ever waits beside one."""
        while self._waiting and (pod := self._emptiest()) is not None:
            self._begin(pod)

    def _emptiest(self) -> Pod | None:
        """The worker with the fewest streams, if it has a free slot."""
        emptiest = None
        fewest = SLOTS
        for pod in self.pods:
            if pod.streams < fewest and pod.pulls:
                emptiest, fewest = pod, pod.streams
        return emptiest

    def _begin(self, pod: Pod) -> None:
        at, duration = self._waiting.popleft()
        self.tally.waits.append(self.now - at)
        pod.streams += 1
        self._at(self.now + duration, partial(self._finished, pod))

    def _expect(self) -> None:
        if (request := next(self._requests, None)) is not None:
            self._at(request[0], partial(self._arrive, request))

    def _arrive(self, request: tuple[float, float]) -> None:
        self._expect()
        self._waiting.append(request)
        if len(self._waiting) == 1:
            self.serve()
        if self._waiting and (at := self._autoscaler.on_waiting(self)) is not None:
            self._tick_at_last(at)

    def _started(self, pod: Pod) -> None:
        if not pod.gone:
            pod.ready = True
            self.serve()

    def _finished(self, pod: Pod) -> None:
        if pod.gone:
            return
        pod.streams -= 1
        if pod.deleted and pod.streams == 0:
            self._remove(pod)
        elif self._waiting and pod.pulls:
            self._begin(pod)

    def _kill(self, pod: Pod) -> None:
        if not pod.gone:
            self.tally.cut += pod.streams
            self._remove(pod)

    def _remove(self, pod: Pod) -> None:
        pod.gone = True
        pod.streams = 0
        self.pods.remove(pod)
        self.tally.pod_seconds += self.now - pod.created_at

    def _tick_at_last(self, at: float) -> None:
        if at < self._tick_at:
            self._tick_at = at
            self._at(at, partial(self._tick, at))

    def _tick(self, at: float) -> None:
        if at != self._tick_at:
            return  # an earlier one took its place
        self._tick_at = math.inf
        if (again_at := self._autoscaler.tick(self)) is not None:
            self._tick_at_last(again_at)

    def _at(self, at: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), event))
