"""Turns the standard `OTEL_*` variables into a tracer and a meter; off means no-op objects and no SDK import.

Traces and metrics go out over OTLP/HTTP when an endpoint (or `OTEL_*_EXPORTER=otlp`) is set. A gateway also has a
Prometheus reader. The exporters read endpoint, headers, sampling and resource variables themselves.
"""

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct
from opentelemetry.context import Context
from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.trace import INVALID_SPAN, NoOpTracer, Span, Tracer

from penstock_runtime.telemetry.current_span import CurrentSpan, current_span
from penstock_runtime.telemetry.histograms import HistogramMeter, with_histograms
from penstock_runtime.telemetry.propagation import remote_span

SCOPE = "penstock"
HISTOGRAM_DEFAULTS = {
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "explicit_bucket_histogram",
}
"""With another value of these variables OpenTelemetry's own histograms are used, which can do both."""
SWITCH_S: Final = 0.0005
"""The time after which the exporter's thread yields the interpreter to the event loop.

An export encodes for some milliseconds, and with Python's default each turn of the loop waits for up to 5 ms meanwhile.
"""
Signal = Literal["traces", "metrics"]


class Telemetry(Struct, frozen=True):
    """`close` flushes what is not sent yet; it may take as long as the exporter's timeout."""

    tracer: Tracer
    meter: Meter
    close: Callable[[], None]


class Untraced(NoOpTracer):
    """Makes no spans, and passes on those of a client that traces.

    OpenTelemetry's own would enter and leave a context four times for each request: 0.2 ms without tracing.
    """

    _NOTHING = contextlib.nullcontext(INVALID_SPAN)

    def start_span(self, name: str, context: Context | None = None, *_: Any, **_options: Any) -> Span:  # noqa: ARG002 - OpenTelemetry's
        return current_span() if context is None else remote_span(context)

    def start_as_current_span(  # type: ignore[override]  # a context manager too
        self, name: str, context: Context | None = None, **_options: Any
    ) -> contextlib.AbstractContextManager[Any]:
        span = self.start_span(name, context)
        return self._NOTHING if span is INVALID_SPAN else CurrentSpan(span)


def enabled(signal: Signal, environ: Mapping[str, str]) -> bool:
    """Return whether `signal` leaves this process over OTLP."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get(f"OTEL_{signal.upper()}_EXPORTER")
    if exporter is not None:
        return exporter == "otlp"
    return "OTEL_EXPORTER_OTLP_ENDPOINT" in environ or f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT" in environ


def configure(service: str, environ: Mapping[str, str], *, prometheus: bool = False) -> Telemetry:
    """Build the process's telemetry; call once, from a composition root."""
    closers: list[Callable[[], object]] = []
    service = environ.get("OTEL_SERVICE_NAME") or service
    tracer: Tracer = Untraced()
    meter = NoOpMeterProvider().get_meter(SCOPE)
    if enabled("traces", environ):
        tracer, close = _tracer(service)
        closers.append(close)
    otlp_metrics = enabled("metrics", environ)
    if closers or otlp_metrics:
        sys.setswitchinterval(SWITCH_S)
    if otlp_metrics or (prometheus and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"):
        meter, close = _meter(service, environ, otlp=otlp_metrics, prometheus=prometheus)
        closers.append(close)

    def close_all() -> None:
        for closer in closers:
            closer()

    return Telemetry(tracer, meter, close_all)


def _tracer(service: str) -> tuple[Tracer, Callable[[], object]]:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only when on
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from penstock_runtime.telemetry.span_exporter import SpanExporter  # noqa: PLC0415
    from penstock_runtime.telemetry.spans import ExportTracer  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    processor = BatchSpanProcessor(SpanExporter())
    provider.add_span_processor(processor)
    return ExportTracer(provider, processor, SCOPE), provider.shutdown


def _meter(
    service: str, environ: Mapping[str, str], *, otlp: bool, prometheus: bool
) -> tuple[Meter, Callable[[], object]]:
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - only when on
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    readers: list[MetricReader] = []
    meters: list[HistogramMeter] = []
    if prometheus:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415

        readers.append(with_histograms(PrometheusMetricReader, meters)())
    if otlp:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

        readers.append(with_histograms(PeriodicExportingMetricReader, meters)(OTLPMetricExporter()))
    provider = MeterProvider(readers, resource=Resource.create({"service.name": service}))
    meter = provider.get_meter(SCOPE)
    if not any(environ.get(name, default).lower() != default for name, default in HISTOGRAM_DEFAULTS.items()):
        meter = HistogramMeter(meter)
        meters.append(meter)
    return meter, provider.shutdown
