"""An OTLP/HTTP exporter for the spans of `ExportTracer`.

OpenTelemetry's encoder makes a protobuf object for each span, each attribute and each value: 60 to 100 µs a span, in
bursts that delay the event loop, as the exporter's thread holds the interpreter. Here the bytes of a span are joined
from those of its fields (`otlp_span.py`), 15 µs a span, with a pause after a few spans. Resource and scope are encoded
by OpenTelemetry; settings, TLS, compression, retries and errors are OpenTelemetry's.
"""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Final

from opentelemetry.exporter.http.transport._urllib3 import Urllib3HTTPTransport
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.sdk.environment_variables import (
    _OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER,
    _OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from requests.utils import get_environ_proxies, get_netrc_auth, select_proxy

from penstock_runtime.telemetry.otlp_span import LENGTH, delimited, encode_span, tag

RESOURCE_SPANS: Final = tag(ExportTraceServiceRequest.RESOURCE_SPANS_FIELD_NUMBER, LENGTH)
SCOPE_SPANS: Final = tag(ResourceSpans.SCOPE_SPANS_FIELD_NUMBER, LENGTH)
SPANS: Final = tag(ScopeSpans.SPANS_FIELD_NUMBER, LENGTH)
CREDENTIALS: Final = (
    _OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER,
    _OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER,
)
SPANS_AT_ONCE: Final = 8
PAUSES: Final = 16
PAUSE_S: Final = 0.001
"""The exporter's thread leaves the interpreter to the event loop after every `SPANS_AT_ONCE` spans, or after more where
a batch would take more than `PAUSES`: it would fall behind a process that makes thousands of spans a second."""


class SpanExporter(OTLPSpanExporter):
    """Exports spans without events and links, all of one resource and scope: those of one `ExportTracer`."""

    def __init__(self) -> None:
        super().__init__()
        if _is_plain(self._endpoint):
            self._client._transport = Urllib3HTTPTransport()  # noqa: SLF001

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._metrics.export_operation(len(spans)) as operation:
            result = self._client.export(encode(spans))
            operation.error = result.error
        return SpanExportResult.SUCCESS if result.success else SpanExportResult.FAILURE


def _is_plain(endpoint: str) -> bool:
    """Return whether an export needs nothing that only requests does, which takes twice the CPU of urllib3."""
    try:
        return (
            endpoint.startswith("http://")
            and "@" not in endpoint  # a user and a password
            and select_proxy(endpoint, get_environ_proxies(endpoint)) is None
            and get_netrc_auth(endpoint) is None
            and not any(os.environ.get(variable) for variable in CREDENTIALS)
        )
    except ValueError:  # an endpoint that requests reports at each export
        return False


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """Return an `ExportTraceServiceRequest` with the content that OpenTelemetry's `encode_spans` gives it."""
    first = spans[0]
    # Without its name and attributes, whose texts OpenTelemetry's encoder may refuse.
    bare = ReadableSpan("", first.context, resource=first.resource, instrumentation_scope=first.instrumentation_scope)
    (of_resource,) = encode_spans([bare]).resource_spans
    (of_scope,) = of_resource.scope_spans
    del of_scope.spans[:], of_resource.scope_spans[:]
    # The fields of a message may be in any order.
    scope = of_scope.SerializeToString() + b"".join(_spans(spans))
    return delimited(RESOURCE_SPANS, of_resource.SerializeToString() + delimited(SCOPE_SPANS, scope))


def _spans(spans: Sequence[ReadableSpan]) -> Iterator[bytes]:
    at_once = max(SPANS_AT_ONCE, len(spans) // PAUSES)
    for number, span in enumerate(spans):
        if number and number % at_once == 0:
            time.sleep(PAUSE_S)
        yield delimited(SPANS, encode_span(span))
