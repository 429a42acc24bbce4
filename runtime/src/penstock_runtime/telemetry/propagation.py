"""W3C trace context into and out of the headers of a message or an HTTP request."""

import re
from collections.abc import Mapping
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation import _SPAN_KEY
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
FIELDS = frozenset(_PROPAGATOR.fields)
"""The headers that carry it, in lower case."""
NO_CONTEXT: Final = Context()
WRITTEN_HERE: Final = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""`traceparent` as `trace_headers` writes it."""
NO_TRACE_ID: Final = "0" * 32
NO_SPAN_ID: Final = "0" * 16


class WrittenSpan(NonRecordingSpan):
    """A span that keeps its ids as they are written in a header, in lower-case hexadecimal digits.

    OpenTelemetry's objects for them are made when they are needed, at the export: before a request's first token they
    would cost 40 µs.
    """

    __slots__ = ("flags", "is_remote", "is_sampled", "span_id", "state", "trace_id")

    def __init__(self, trace_id: str, span_id: str, flags: str, state: TraceState | None, *, is_remote: bool) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.is_sampled = bool(int(flags, 16) & TraceFlags.SAMPLED)
        self.state = state
        self.is_remote = is_remote

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.trace_id}, {self.span_id})"

    def get_span_context(self) -> SpanContext:
        return SpanContext(
            int(self.trace_id, 16),
            int(self.span_id, 16),
            is_remote=self.is_remote,
            trace_flags=TraceFlags(int(self.flags, 16)),
            trace_state=self.state,
        )


def written(span: Span) -> WrittenSpan | None:
    """The same span with its ids as they are written; None if it has none, as `INVALID_SPAN`."""
    if isinstance(span, WrittenSpan):
        return span
    if span is INVALID_SPAN:
        return None
    trace_id, span_id, is_remote, flags, state, is_valid = span.get_span_context()
    if not is_valid:
        return None
    return WrittenSpan(f"{trace_id:032x}", f"{span_id:016x}", f"{flags:02x}", state, is_remote=is_remote)


def trace_headers(span: Span) -> dict[str, str]:
    """`traceparent` and `tracestate` of `span`; empty when tracing is off.

    As OpenTelemetry's propagator writes them, without its context and its setter.
    """
    found = written(span)
    if found is None:
        return {}
    headers = {"traceparent": f"00-{found.trace_id}-{found.span_id}-{found.flags}"}
    if found.state:
        headers["tracestate"] = found.state.to_header()
    return headers


def trace_context(headers: Mapping[str, str]) -> Context:
    """The remote parent in `headers`, or an empty context, as OpenTelemetry's propagator reads it."""
    header = headers.get("traceparent")
    if header is None:
        return NO_CONTEXT
    match = WRITTEN_HERE.fullmatch(header)
    if match is not None and "tracestate" not in headers:
        trace_id, span_id, flags = match.groups()
        if trace_id != NO_TRACE_ID and span_id != NO_SPAN_ID:
            return Context({_SPAN_KEY: WrittenSpan(trace_id, span_id, flags, None, is_remote=True)})
    return _PROPAGATOR.extract(headers, NO_CONTEXT)


def remote_span(context: Context) -> Span:
    """The span of a `trace_context`; `INVALID_SPAN` if it is empty."""
    return context.get(_SPAN_KEY, INVALID_SPAN)  # type: ignore[return-value]  # a call of `cast` takes time
