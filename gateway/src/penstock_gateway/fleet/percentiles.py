"""Percentiles of a histogram's cumulative buckets, as Prometheus' `histogram_quantile` computes them. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from penstock_contract.fleet.view import FirstToken

Bucket = tuple[float, int]
"""An upper bound, and the number of observations up to it."""


def merged(histograms: Iterable[Sequence[Bucket]]) -> list[Bucket]:
    """The sum of histograms with the same bounds."""
    sums: defaultdict[float, int] = defaultdict(int)
    for histogram in histograms:
        for bound, count in histogram:
            sums[bound] += count
    return sorted(sums.items())


def percentile(buckets: Sequence[Bucket], q: float) -> float | None:
    """The value below which the share `q` of the observations is, interpolated; None without an observation.

    Above the last finite bound the value is unknown: that bound is the result.
    """
    if not buckets or not buckets[-1][1]:
        return None
    rank = q * buckets[-1][1]
    lower, below = 0.0, 0
    for bound, count in buckets:
        if count >= rank and count > below:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        if not math.isinf(bound):
            lower = bound
        below = count
    return lower


def first_token(buckets: Sequence[Bucket]) -> FirstToken:
    p50, p95, p99 = (percentile(buckets, q) for q in (0.5, 0.95, 0.99))
    return FirstToken(count=buckets[-1][1] if buckets else 0, p50_s=p50, p95_s=p95, p99_s=p99)
