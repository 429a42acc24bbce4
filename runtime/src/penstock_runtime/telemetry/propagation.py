"""W3C trace context into and out of the headers of a message or an HTTP request."""

from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
FIELDS = frozenset(_PROPAGATOR.fields)
"""The headers that carry it, in lower case."""


def trace_headers(span: Span) -> dict[str, str]:
    """`traceparent` and `tracestate` of `span`; empty when tracing is off."""
    carrier: dict[str, str] = {}
    if span is INVALID_SPAN:
        return carrier
    _PROPAGATOR.inject(carrier, set_span_in_context(span))
    return carrier


def trace_context(headers: Mapping[str, str]) -> Context:
    """The remote parent in `headers`, or an empty context."""
    return _PROPAGATOR.extract(headers, Context())
