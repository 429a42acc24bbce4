"""Spans of `ExportTracer` are exported as those of OpenTelemetry's SDK."""

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, Tracer

from penstock_runtime.telemetry.current_span import current_span
from penstock_runtime.telemetry.propagation import trace_context, trace_headers
from penstock_runtime.telemetry.span_exporter import encode
from penstock_runtime.telemetry.spans import ExportTracer

REMOTE = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=1"}
UNSAMPLED = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}
ATTRIBUTES: dict[str, Any] = {"text": "v", "number": 7, "ratio": 0.5, "flag": True}

Use = Callable[[Tracer], None]


def nested(tracer: Tracer) -> None:
    with tracer.start_as_current_span("outer", kind=SpanKind.SERVER, attributes=ATTRIBUTES) as span:
        span.set_attribute("reasons", ["stop"])
        span.update_name("renamed")
        with tracer.start_as_current_span("inner", kind=SpanKind.PRODUCER) as inner:
            inner.set_status(StatusCode.ERROR)


def remote(tracer: Tracer) -> None:
    with tracer.start_as_current_span("outer", context=trace_context(REMOTE)) as span:
        assert trace_headers(span)["tracestate"] == "vendor=1"
        with tracer.start_as_current_span("inner"):
            pass


def unsampled(tracer: Tracer) -> None:
    with tracer.start_as_current_span("outer", context=trace_context(UNSAMPLED)) as span:
        assert not span.is_recording()
        assert trace_headers(span)["traceparent"].endswith("-00")
        with tracer.start_as_current_span("inner") as inner:
            assert not inner.is_recording()


def failing(tracer: Tracer) -> None:
    with (
        pytest.raises(ValueError, match="the prompt"),
        tracer.start_as_current_span("outer", record_exception=False),
        tracer.start_as_current_span("inner", record_exception=False, set_status_on_exception=False),
    ):
        raise ValueError("the prompt")


def failing_inside(tracer: Tracer) -> None:
    with tracer.start_as_current_span("outer"):
        for sets_status in (True, False):
            with (
                pytest.raises(ValueError, match="the prompt"),
                tracer.start_span("inner", record_exception=False, set_status_on_exception=sets_status),
            ):
                raise ValueError("the prompt")


def spans_of(use: Use, *, ours: bool, sampler: Sampler | None = None) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": "s"}))
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    use(ExportTracer(provider, processor, "penstock") if ours else provider.get_tracer("penstock"))
    assert current_span() is INVALID_SPAN
    return list(exporter.get_finished_spans())


def comparable(spans: list[ReadableSpan]) -> list[Any]:
    names = {span.context.span_id: span.name for span in spans if span.context is not None}
    assert len({span.context.trace_id for span in spans if span.context is not None}) <= 1
    return [
        (
            span.name,
            None if span.parent is None else names.get(span.parent.span_id, span.parent.span_id),
            span.kind,
            {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in (span.attributes or {}).items()
            },
            span.status.status_code,
            span.context is not None and (span.context.trace_flags, span.context.trace_state.get("vendor")),
            span.resource.attributes["service.name"],
            span.instrumentation_scope is not None and span.instrumentation_scope.name,
            span.start_time is not None and span.end_time is not None and span.start_time <= span.end_time,
        )
        for span in spans
    ]


@pytest.mark.parametrize("use", [nested, remote, unsampled, failing, failing_inside])
@pytest.mark.parametrize("sampler", [None, ParentBased(ALWAYS_OFF), TraceIdRatioBased(0.0)])
def test_tracer_exports_the_spans_that_the_sdk_exports(use: Use, sampler: Sampler | None) -> None:
    if use is unsampled and isinstance(sampler, TraceIdRatioBased):
        pytest.skip("this sampler ignores the parent")
    if use is remote and isinstance(sampler, TraceIdRatioBased):
        pytest.skip("this sampler drops the trace state")
    assert comparable(spans_of(use, ours=True, sampler=sampler)) == comparable(
        spans_of(use, ours=False, sampler=sampler)
    )


@pytest.mark.parametrize("flags", [None, "00", "01", "02", "03", "ff"])
@pytest.mark.parametrize("sampler", [None, ParentBased(ALWAYS_OFF), ALWAYS_OFF])
def test_tracer_sends_on_the_flags_that_the_sdk_sends_on(flags: str | None, sampler: Sampler | None) -> None:
    sent: list[str] = []

    def send(tracer: Tracer) -> None:
        context = None if flags is None else trace_context({"traceparent": f"00-{'a' * 32}-{'b' * 16}-{flags}"})
        with (
            tracer.start_as_current_span("outer", context=context) as outer,
            tracer.start_as_current_span("inner") as inner,
        ):
            sent.extend(trace_headers(span)["traceparent"][-2:] for span in (outer, inner))

    for ours in (True, False):
        spans_of(send, ours=ours, sampler=sampler)
    assert sent[:2] == sent[2:]


def test_tracer_exports_nothing_of_an_exception_but_the_status() -> None:
    for span in spans_of(failing, ours=True):
        assert "the prompt" not in span.to_json()
        assert not span.events


def test_tracer_exports_spans_that_otlp_encodes() -> None:
    ours, theirs = (encode_spans(spans_of(nested, ours=flag)) for flag in (True, False))
    for one, other in zip(ours.resource_spans, theirs.resource_spans, strict=True):
        assert one.resource == other.resource
        for scope, other_scope in zip(one.scope_spans, other.scope_spans, strict=True):
            for span, other_span in zip(scope.spans, other_scope.spans, strict=True):
                assert (span.name, span.kind, span.attributes, span.status, span.flags) == (
                    other_span.name,
                    other_span.kind,
                    other_span.attributes,
                    other_span.status,
                    other_span.flags,
                )


@pytest.mark.parametrize("use", [nested, remote, failing])
@pytest.mark.parametrize("count", [1, 2, 30])
def test_exporter_encodes_spans_as_the_sdk_encodes_them(use: Use, count: int) -> None:
    def several(tracer: Tracer) -> None:
        for _ in range(count):
            use(tracer)

    exported = spans_of(several, ours=True)
    assert len(exported) == 2 * count
    assert ExportTraceServiceRequest.FromString(encode(exported)) == encode_spans(exported)


@pytest.mark.parametrize(
    "values",
    [
        (1, True, 1.0, "1"),
        (0, False, 0.0, ""),
        (["a", "b"], ("a", "b"), [], [1, 2]),
        (-(2**63), 2**63 - 1, 1e308, "\u00e9\U0001f600"),
    ],
)
def test_exporter_keeps_the_types_of_equal_attributes_apart(values: Sequence[Any]) -> None:
    def each(tracer: Tracer) -> None:
        for value in (None, *values, *values):
            with tracer.start_as_current_span("s", attributes={} if value is None else {"attribute": value}):
                pass

    exported = spans_of(each, ours=True)
    assert ExportTraceServiceRequest.FromString(encode(exported)) == encode_spans(exported)


VALUES = st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)


@given(name=st.text(), attributes=st.dictionaries(st.text(min_size=1), VALUES | st.lists(st.text()), max_size=4))
def test_exporter_encodes_any_attributes_as_the_sdk_encodes_them(name: str, attributes: dict[str, Any]) -> None:
    exported = spans_of(lambda tracer: tracer.start_span(name, attributes=attributes).end(), ours=True)
    assert ExportTraceServiceRequest.FromString(encode(exported)) == encode_spans(exported)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2_100_000])
def test_exporter_encodes_texts_of_any_length(length: int) -> None:
    exported = spans_of(lambda tracer: tracer.start_span("s", attributes={"text": "x" * length}).end(), ours=True)
    assert ExportTraceServiceRequest.FromString(encode(exported)) == encode_spans(exported)


def test_exporter_replaces_lone_surrogates_in_every_span_and_keeps_the_others() -> None:
    def use(tracer: Tracer) -> None:
        tracer.start_span("chat \ud800", attributes={"model": "\ud800"}).end()
        tracer.start_span("second").end()
        tracer.start_span("third", attributes={"models": ["a", "\udfff"]}).end()

    request = ExportTraceServiceRequest.FromString(encode(spans_of(use, ours=True)))
    first, second, third = request.resource_spans[0].scope_spans[0].spans
    assert (first.name, first.attributes[0].value.string_value) == ("chat ?", "?")
    assert second.name == "second"
    assert [one.string_value for one in third.attributes[0].value.array_value.values] == ["a", "?"]


def test_tracer_exports_a_span_once() -> None:
    def end_twice(tracer: Tracer) -> None:
        span = tracer.start_span("a")
        span.end()
        span.end()

    assert len(spans_of(end_twice, ours=True)) == 1


async def test_tracer_keeps_the_current_spans_of_tasks_apart() -> None:
    async def request(tracer: Tracer, name: str) -> None:
        with tracer.start_as_current_span(name):
            await asyncio.sleep(0)
            current_span().set_attribute("request", name)
            with tracer.start_as_current_span(f"{name} inner"):
                await asyncio.sleep(0)

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    tracer = ExportTracer(provider, SimpleSpanProcessor(exporter), "penstock")
    await asyncio.gather(*(request(tracer, name) for name in "ab"))
    exported = {span.name: span for span in exporter.get_finished_spans()}
    assert {name: dict(exported[name].attributes or {}) for name in "ab"} == {name: {"request": name} for name in "ab"}
    for name in "ab":
        assert exported[f"{name} inner"].parent == exported[name].context
    assert current_span() is INVALID_SPAN


def test_tracer_exports_a_span_at_its_end_and_that_of_a_message_with_the_outer_one() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    tracer = ExportTracer(provider, SimpleSpanProcessor(exporter), "penstock")

    def exported() -> list[str]:
        return [span.name for span in exporter.get_finished_spans()]

    with tracer.start_as_current_span("outer"):
        with tracer.start_as_current_span("failed call"), tracer.start_span("message", kind=SpanKind.PRODUCER):
            pass
        later = tracer.start_span("later message", kind=SpanKind.PRODUCER)
        assert exported() == ["failed call"]
    assert exported() == ["failed call", "message", "outer"]
    later.end()
    assert exported() == ["failed call", "message", "outer", "later message"]
    _, message, outer, _ = exporter.get_finished_spans()
    assert message.end_time is not None
    assert outer.end_time is not None
    assert message.end_time <= outer.end_time
    with tracer.start_span("alone", kind=SpanKind.PRODUCER):
        pass
    assert exported()[-1] == "alone"


def test_tracer_lets_a_coroutine_be_closed_in_another_context() -> None:
    exporter = InMemorySpanExporter()
    tracer = ExportTracer(TracerProvider(), SimpleSpanProcessor(exporter), "penstock")

    async def request() -> None:
        with tracer.start_as_current_span("request"):
            await asyncio.sleep(0)

    coroutine = request()
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()
    assert [span.name for span in exporter.get_finished_spans()] == ["request"]
    assert current_span() is INVALID_SPAN
