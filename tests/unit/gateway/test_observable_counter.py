"""Counters that an exporter reads, by OpenTelemetry's own reader."""

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum

from penstock_gateway.telemetry.observable_counter import ObservableCounter


def points(reader: InMemoryMetricReader) -> dict[str, float]:
    data = reader.get_metrics_data()
    if data is None:
        return {}
    (metric,) = (metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics)
    assert isinstance(metric.data, Sum)
    assert metric.data.is_monotonic
    return {str(dict(point.attributes or {})["model"]): point.value for point in metric.data.data_points}


def test_observable_counter_reports_growing_sums_by_label() -> None:
    reader = InMemoryMetricReader()
    tally = ObservableCounter(MeterProvider([reader]).get_meter("test"), "tokens", unit="{token}", description="Tokens")
    assert points(reader) == {}
    tally.add(2, {"model": "a"})
    tally.add(3, {"model": "b"})
    assert points(reader) == {"a": 2, "b": 3}
    tally.add(5, {"model": "a"})
    assert points(reader) == {"a": 7, "b": 3}
