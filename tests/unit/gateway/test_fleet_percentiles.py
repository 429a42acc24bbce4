"""Percentiles from the buckets of a histogram, as Prometheus' `histogram_quantile` computes them."""

import math
import random

import pytest

from penstock_gateway.fleet.percentiles import first_token, merged, percentile

BOUNDS = (0.1, 0.5, 1.0, math.inf)


def histogram(*counts: int) -> list[tuple[float, int]]:
    return list(zip(BOUNDS, counts, strict=True))


@pytest.mark.parametrize(
    ("counts", "q", "expected"),
    [
        ((10, 10, 10, 10), 0.5, 0.05),
        ((0, 10, 10, 10), 0.5, 0.3),
        ((0, 10, 20, 20), 0.5, 0.5),
        ((0, 10, 20, 20), 0.95, 0.95),
        ((0, 0, 10, 10), 0.99, 0.995),
        ((0, 0, 0, 10), 0.5, 1.0),
        ((5, 5, 5, 10), 0.99, 1.0),
    ],
)
def test_percentile_interpolates_in_its_bucket(counts: tuple[int, ...], q: float, expected: float) -> None:
    assert percentile(histogram(*counts), q) == pytest.approx(expected)


def test_percentile_of_nothing_is_unknown() -> None:
    assert percentile([], 0.5) is None
    assert percentile(histogram(0, 0, 0, 0), 0.5) is None
    assert first_token([]).p99_s is None


def test_percentile_of_merged_histograms_is_that_of_all_observations() -> None:
    draw = random.Random(1)
    values = [[draw.expovariate(2) for _ in range(draw.randrange(50))] for _ in range(5)]
    parts = [[(bound, sum(value <= bound for value in part)) for bound in BOUNDS] for part in values]
    whole = [(bound, sum(value <= bound for part in values for value in part)) for bound in BOUNDS]
    assert merged(parts) == whole
    assert first_token(merged(parts)) == first_token(whole)
    assert first_token(whole).count == sum(map(len, values))
