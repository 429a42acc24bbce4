"""Telemetry of our processes: a receiver of OTLP on loopback that keeps every byte, and `/metrics`."""

import asyncio
import contextlib
import re
from typing import Any

from harness.processes import until
from harness.stack import Stack
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

MODELS = ("main", {"name": "vectors", "type": "Embedding"})
"""Of a stack that reports both kinds of calls."""


class Span:
    """A received span with its attributes as a dict."""

    def __init__(self, service: str, span: ProtoSpan) -> None:
        self.service = service
        self.name = span.name
        self.kind = ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
        self.trace, self.id, self.parent = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
        self.attributes = values_of(span.attributes)
        self.failed = span.status.code == Status.STATUS_CODE_ERROR
        self.message = span.status.message


def value_of(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return [value_of(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, str(kind))


def values_of(pairs: Any) -> dict[str, Any]:
    attributes: list[KeyValue] = list(pairs)
    return {pair.key: value_of(pair.value) for pair in attributes}


class Receiver:
    """OTLP/HTTP on loopback: `bodies` are the bytes as they came, `spans` and `metrics` what they mean."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.spans: list[Span] = []
        self.metrics: dict[tuple[str, str], list[dict[str, Any]]] = {}
        """The attributes of every series by service and metric."""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def environ(self) -> dict[str, str]:
        """The standard variables that send everything here, soon."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "100",
        }

    def trace_of(self, request_id: str) -> list[Span]:
        """All spans of the trace that has the request's."""
        traces = {span.trace for span in self.spans if span.attributes.get("penstock.request.id") == request_id}
        return [span for span in self.spans if span.trace in traces]

    async def spans_of(self, request_id: str, count: int) -> list[Span]:
        await until(lambda: len(self.trace_of(request_id)) >= count, f"{count} spans of {request_id} arrive")
        return self.trace_of(request_id)

    async def series_of(self, service: str, metric: str) -> list[dict[str, Any]]:
        await until(lambda: self.metrics.get((service, metric)), f"{metric} of {service} arrives")
        return self.metrics[service, metric]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = re.search(r"content-length: (\d+)", head)
                assert length is not None
                self._take(head.split(" ")[1], await reader.readexactly(int(length[1])))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        writer.close()

    def _take(self, path: str, body: bytes) -> None:
        self.bodies.append(body)
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = values_of(resource.resource.attributes)["service.name"]
                self.spans += [Span(service, span) for scope in resource.scope_spans for span in scope.spans]
            return
        assert path == "/v1/metrics"
        for resource_metrics in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            service = values_of(resource_metrics.resource.attributes)["service.name"]
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    points = getattr(metric, str(metric.WhichOneof("data"))).data_points
                    self.metrics[service, metric.name] = [values_of(point.attributes) for point in points]


async def scrape(stack: Stack) -> str:
    return (await stack.client.get("/metrics")).text
