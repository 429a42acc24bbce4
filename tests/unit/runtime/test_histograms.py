"""Histograms of `HistogramMeter` have the points that OpenTelemetry's own have."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import REGISTRY, generate_latest

from penstock_runtime.telemetry.histograms import BucketHistogram, HistogramMeter, with_histograms
from penstock_runtime.telemetry.setup import configure

BOUNDS = [0.1, 1.0, 10.0]
VALUES = st.sampled_from([0.0, 0.1, 1.0, 10.0, 10.1]) | st.floats(min_value=0, max_value=100)
LABELS = st.sampled_from([{}, {"route": "a"}, {"route": "b", "model": "m"}])


def points(meter: Meter, reader: Any, measurements: list[tuple[float, dict[str, str]]]) -> dict[str, Any]:
    """The histogram's points by their labels."""
    histogram = meter.create_histogram("h", unit="s", description="d", explicit_bucket_boundaries_advisory=BOUNDS)
    for value, labels in measurements:
        histogram.record(value, labels)
    found = {}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == "h":
                    assert (metric.unit, metric.description) == ("s", "d")
                    for point in metric.data.data_points:
                        found[str(sorted(point.attributes.items()))] = (
                            point.count,
                            pytest.approx(point.sum),
                            tuple(point.bucket_counts),
                            tuple(point.explicit_bounds),
                            point.min,
                            point.max,
                            metric.data.aggregation_temporality,
                        )
    return found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(VALUES, LABELS), min_size=1, max_size=30))
def test_histogram_has_the_points_of_opentelemetrys_own(measurements: list[tuple[float, dict[str, str]]]) -> None:
    own_reader = InMemoryMetricReader()
    own = MeterProvider([own_reader]).get_meter("penstock")
    meters: list[HistogramMeter] = []
    reader = with_histograms(InMemoryMetricReader, meters)()
    meters.append(HistogramMeter(MeterProvider([reader]).get_meter("penstock")))

    assert points(meters[0], reader, measurements) == points(own, own_reader, measurements)


def test_telemetry_exposes_histograms_to_prometheus() -> None:
    telemetry = configure("test", {}, prometheus=True)
    try:
        histogram = telemetry.meter.create_histogram(
            "penstock.seen", unit="s", description="d", explicit_bucket_boundaries_advisory=BOUNDS
        )
        histogram.record(0.5, {"route": "a"})
        histogram.record(50, {"route": "a"})
        lines = [line for line in generate_latest(REGISTRY).decode().splitlines() if "penstock_seen" in line]
    finally:
        telemetry.close()

    assert isinstance(histogram, BucketHistogram)
    values = {line.partition("{")[0] + line.partition('le="')[2].partition('"')[0]: line.split()[-1] for line in lines}
    assert values["penstock_seen_seconds_bucket1.0"] == "1.0"
    assert values["penstock_seen_seconds_bucket+Inf"] == "2.0"
    assert values["penstock_seen_seconds_sum"] == "50.5"


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"},
        {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram"},
    ],
)
def test_telemetry_uses_opentelemetrys_histograms_for_another_form(environ: dict[str, str]) -> None:
    telemetry = configure("test", environ, prometheus=True)
    try:
        assert not isinstance(telemetry.meter.create_histogram("penstock.form"), BucketHistogram)
    finally:
        telemetry.close()
