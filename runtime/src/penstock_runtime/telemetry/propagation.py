"""W3C trace context into and out of the headers of a message or an HTTP request."""

from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
FIELDS = frozenset(_PROPAGATOR.fields)
"""The headers that carry it, in lower case."""


def trace_headers(span: Span) -> dict[str, str]:
    """`traceparent` and `tracestate` of `span`; empty when tracing is off.

    As OpenTelemetry's propagator writes them, without its context and its setter.
    """
    context = span.get_span_context()
    if span is INVALID_SPAN or not context.is_valid:
        return {}
    headers = {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}
    if context.trace_state:
        headers["tracestate"] = context.trace_state.to_header()
    return headers


def trace_context(headers: Mapping[str, str]) -> Context:
    """The remote parent in `headers`, or an empty context."""
    return _PROPAGATOR.extract(headers, Context())
