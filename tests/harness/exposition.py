"""`/metrics` as Prometheus reads it, parsed by prometheus_client and not by our own code."""

import math
from collections import defaultdict
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


class Exposition:
    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def sum(self, series: str, **labels: str) -> float:
        """The sum of the series with these labels."""
        return sum(sample.value for sample in self._series(series, labels))

    def by(self, label: str, series: str, route: str | None = None) -> dict[str, float]:
        """The sums by a label, without those of an empty one."""
        sums: defaultdict[str, float] = defaultdict(float)
        for sample in self._series(series, {} if route is None else {"penstock_route": route}):
            if sample.labels.get(label):
                sums[sample.labels[label]] += sample.value
        return dict(sums)

    def quantile(self, histogram: str, q: float) -> float:
        """`histogram_quantile(q, sum by (le) (histogram_bucket))`, as Prometheus documents it."""
        buckets: defaultdict[float, float] = defaultdict(float)
        for sample in self._series(f"{histogram}_bucket", {}):
            buckets[float(sample.labels["le"])] += sample.value
        bounds = sorted(buckets)
        rank = q * buckets[math.inf]
        index = next(index for index, bound in enumerate(bounds) if buckets[bound] >= rank)
        if math.isinf(bounds[index]):
            return bounds[index - 1]
        start, before = (0.0, 0.0) if index == 0 else (bounds[index - 1], buckets[bounds[index - 1]])
        return start + (bounds[index] - start) * (rank - before) / (buckets[bounds[index]] - before)

    def _series(self, series: str, labels: Mapping[str, str]) -> list[Sample]:
        return [sample for sample in self._samples if sample.name == series and labels.items() <= sample.labels.items()]
