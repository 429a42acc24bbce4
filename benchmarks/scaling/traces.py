"""The loads that the autoscalers are put to: lists of requests, drawn from a seed, the same for all autoscalers."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MEDIAN_S = 8.0
SIGMA = 1.0
"""Of the log-normal durations: one stream in eleven takes longer than 30 s, one in 7000 longer than 5 minutes."""
LONGEST_S = 600.0
BEGIN_S = 75.0
"""Half a poll after one of KEDA's: its mean delay, neither luck nor bad luck."""


@dataclass(frozen=True)
class Trace:
    """Requests in the order of their arrival as (moment, duration). In `outage` no autoscaler can read the demand."""

    name: str
    what: str
    requests: tuple[tuple[float, float], ...]
    until_s: float
    cold_start_s: float = 5.0
    outage: tuple[float, float] = (math.inf, math.inf)


def traces(seed: int) -> list[Trace]:
    return [make(seed) for make in (step, bursts, sawtooth, slow_start, outage, quiet_day)]


def step(seed: int) -> Trace:
    def rate(at: float) -> float:
        return 6.0 if at < BEGIN_S + 600 else 1.0

    what = "nothing, then 6 requests/s for ten minutes, then 1/s for ten"
    return Trace("step", what, _poisson(f"step {seed}", rate, BEGIN_S, BEGIN_S + 1200), 1800)


def bursts(seed: int) -> Trace:
    draw = random.Random(f"bursts {seed}")
    background = _poisson(f"background {seed}", lambda _: 0.5, BEGIN_S, BEGIN_S + 900)
    burst = [(BEGIN_S + 30.0 * n + draw.random(), _duration(draw)) for n in range(30) for _ in range(60)]
    what = "60 requests within a second every 30 s, over 0.5/s"
    return Trace("burst every 30 s", what, tuple(sorted([*background, *burst])), 1500)


def sawtooth(seed: int) -> Trace:
    def rate(at: float) -> float:
        return 8.0 * ((at - BEGIN_S) % 240) / 240

    what = "from nothing to 8 requests/s within four minutes, then nothing, five times"
    return Trace("sawtooth", what, _poisson(f"sawtooth {seed}", rate, BEGIN_S, BEGIN_S + 1200), 1800)


def slow_start(seed: int) -> Trace:
    def rate(at: float) -> float:
        return 4.0 if at < BEGIN_S + 300 else 6.0

    what = "4 requests/s, later 6, and a worker takes 60 s to start"
    return Trace("slow start", what, _poisson(f"slow {seed}", rate, BEGIN_S, BEGIN_S + 900), 1500, cold_start_s=60.0)


def outage(seed: int) -> Trace:
    def rate(at: float) -> float:
        return 5.0 if BEGIN_S + 390 <= at < BEGIN_S + 600 else 3.5

    what = "3.5 requests/s; for three minutes the demand cannot be read, and meanwhile it rises to 5"
    requests = _poisson(f"outage {seed}", rate, BEGIN_S, BEGIN_S + 900)
    return Trace("metric outage", what, requests, 1500, outage=(BEGIN_S + 300, BEGIN_S + 480))


def quiet_day(seed: int) -> Trace:
    draw = random.Random(f"quiet {seed}")
    requests = []
    for start in _arrivals(draw, lambda _: 1 / 1500, BEGIN_S, BEGIN_S + 8 * 3600):
        at = start
        for _ in range(draw.randint(1, 6)):
            requests.append((at, _duration(draw)))
            at += draw.expovariate(1 / 20)
    what = "8 hours with one to six requests now and then, 25 minutes apart on average"
    return Trace("quiet day", what, tuple(sorted(requests)), 9 * 3600)


def _poisson(seed: str, rate: Callable[[float], float], begin: float, end: float) -> tuple[tuple[float, float], ...]:
    draw = random.Random(seed)
    return tuple((at, _duration(draw)) for at in _arrivals(draw, rate, begin, end))


def _arrivals(draw: random.Random, rate: Callable[[float], float], begin: float, end: float) -> Iterator[float]:
    """By thinning: candidates at the highest rate, each kept with the probability of its moment's rate."""
    highest = max(rate(begin + (end - begin) * n / 1000) for n in range(1000))
    at = begin
    while (at := at + draw.expovariate(highest)) < end:
        if draw.random() * highest < rate(at):
            yield at


def _duration(draw: random.Random) -> float:
    return min(LONGEST_S, draw.lognormvariate(math.log(MEDIAN_S), SIGMA))
