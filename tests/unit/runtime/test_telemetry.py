"""The signals that a process exports, and the trace of a request across the broker."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, TraceFlags, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from penstock_runtime.telemetry import names
from penstock_runtime.telemetry.current_span import current_span
from penstock_runtime.telemetry.propagation import trace_context, trace_headers
from penstock_runtime.telemetry.setup import Signal, configure, enabled

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, False, False),
        (ENDPOINT, True, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, True, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://a"}, False, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, False),
        ({**ENDPOINT, "OTEL_METRICS_EXPORTER": "none"}, True, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, False, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, False, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, True, True),
    ],
)
def test_telemetry_exports_the_signals_that_the_standard_variables_enable(
    environ: dict[str, str], traces: bool, metrics: bool
) -> None:
    signals: tuple[Signal, Signal] = ("traces", "metrics")

    assert tuple(enabled(signal, environ) for signal in signals) == (traces, metrics)


def test_telemetry_without_signals_does_nothing_and_imports_nothing() -> None:
    before = set(sys.modules)
    telemetry = configure("test", {})
    with telemetry.tracer.start_as_current_span("a") as span:
        assert not span.is_recording()
    telemetry.meter.create_counter("a").add(1)
    telemetry.close()

    assert not {name for name in set(sys.modules) - before if name.startswith("opentelemetry.sdk")}


def test_telemetry_without_tracing_passes_a_clients_trace_on_and_starts_none() -> None:
    tracer = configure("test", {}).tracer
    with tracer.start_as_current_span("a") as span:
        assert trace_headers(span) == {}
    theirs = {"traceparent": f"00-{7:032x}-{7:016x}-01"}
    with tracer.start_as_current_span("a", context=trace_context(theirs)), tracer.start_as_current_span("b") as span:
        assert trace_headers(span) == theirs
    assert current_span() is INVALID_SPAN


def test_telemetry_writes_a_trace_to_headers_and_reads_it_back() -> None:
    context = SpanContext(2**100 + 7, 2**60 + 7, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    headers = trace_headers(NonRecordingSpan(context))
    found = get_current_span(trace_context(headers)).get_span_context()

    assert headers == {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-01"}
    assert (found.trace_id, found.span_id, found.is_remote) == (context.trace_id, context.span_id, True)


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_telemetry_reads_an_unreadable_trace_as_none(traceparent: str) -> None:
    found = get_current_span(trace_context({"traceparent": traceparent})).get_span_context()

    assert not found.is_valid


HEX = "0123456789abcdef"
FIELD = st.one_of(
    st.sampled_from(["00", "01", "ff", "0" * 32, "0" * 16, ""]),
    *(st.text(HEX, min_size=length, max_size=length) for length in (2, 16, 32)),
    st.text(f"{HEX}AG- \t", max_size=4),
)
WELL_FORMED = st.builds(
    "{}-{}-{}-{}".format,
    st.sampled_from(["00", "00", "01", "ff"]),
    *(st.text(HEX, min_size=length, max_size=length) for length in (32, 16, 2)),
)


@given(
    st.one_of(WELL_FORMED, st.lists(FIELD, min_size=3, max_size=5).map("-".join)),
    st.sampled_from(["", " ", "\n", "-x"]),
    st.sampled_from([None, "", "vendor=1", "=", "a=1," * 40]),
)
def test_telemetry_reads_a_trace_as_opentelemetry_reads_it(traceparent: str, end: str, tracestate: str | None) -> None:
    headers = {"traceparent": traceparent + end} | ({} if tracestate is None else {"tracestate": tracestate})
    theirs = TraceContextTextMapPropagator().extract(headers)
    assert get_current_span(trace_context(headers)).get_span_context() == get_current_span(theirs).get_span_context()


def test_telemetry_names_follow_a_convention_or_are_our_own() -> None:
    found = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}

    assert {value.split(".")[0] for value in found} == {
        "gen_ai", "error", "server", "http", "messaging", "process", "penstock",
    }  # fmt: skip


@pytest.mark.parametrize(
    "buckets", [names.BUCKETS_DURATION, names.BUCKETS_FIRST_TOKEN, names.BUCKETS_PER_TOKEN, names.BUCKETS_TOKENS]
)
def test_telemetry_buckets_grow(buckets: tuple[float, ...]) -> None:
    assert list(buckets) == sorted(set(buckets))
