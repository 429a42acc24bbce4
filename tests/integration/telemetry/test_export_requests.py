"""The HTTP requests of an export honour the settings for OTLP and for HTTP clients, whichever transport sends them."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness.processes import free_port
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from penstock_runtime.telemetry.span_exporter import SPANS_AT_ONCE, SpanExporter
from penstock_runtime.telemetry.spans import ExportTracer

SPANS = 3 * SPANS_AT_ONCE + 1
BATCH = 512
"""OpenTelemetry's default of a batch."""


@dataclass
class Requests:
    """The requests that arrived at `url`; each is answered with the next of `statuses`, then with 200."""

    url: str
    targets: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def spans(self) -> list[str]:
        request = ExportTraceServiceRequest.FromString(self.bodies[-1])
        return [
            span.name for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
        ]


@pytest.fixture
def received() -> Iterator[Requests]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            requests.targets.append(self.path)
            requests.headers.append({name.lower(): value for name, value in self.headers.items()})
            requests.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(requests.statuses.pop(0) if requests.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        requests = Requests(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield requests
        server.shutdown()


def export(count: int = SPANS) -> list[str]:
    """Export spans by an exporter of its own, and return their names."""
    provider = TracerProvider()
    processor = BatchSpanProcessor(SpanExporter())
    provider.add_span_processor(processor)
    tracer = ExportTracer(provider, processor, "penstock")
    names = [f"span {number}" for number in range(count)]
    for name in names:
        tracer.start_span(name).end()
    provider.shutdown()
    return names


def test_export_sends_every_span_once_with_the_headers_of_the_settings(
    received: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=of-the-collector")

    assert export() == received.spans()
    assert received.targets == ["/v1/traces"]
    [headers] = received.headers
    assert (headers["api-key"], headers["content-type"]) == ("of-the-collector", "application/x-protobuf")


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_export_passes_the_proxy_of_the_environment(
    received: Requests, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.invalid:4318")
    monkeypatch.setenv(variable, received.url)

    assert export() == received.spans()
    assert received.targets == ["http://collector.invalid:4318/v1/traces"]


def test_export_passes_no_proxy_to_a_collector_that_is_excepted(
    received: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert export() == received.spans()
    assert received.targets == ["/v1/traces"]


@pytest.mark.parametrize("count", [1, SPANS_AT_ONCE, BATCH - 1, BATCH])
def test_export_sends_a_batch_of_any_size(received: Requests, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)

    assert export(count) == received.spans()


def test_export_has_the_password_of_netrc(received: Requests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password pass\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)

    assert export() == received.spans()
    assert received.headers[0]["authorization"] == "Basic dXNlcjpwYXNz"


def test_export_has_the_password_of_the_endpoint(received: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url.replace("//", "//user:p%40ss@"))

    assert export() == received.spans()
    assert received.headers[0]["authorization"] == "Basic dXNlcjpwQHNz"


@pytest.mark.parametrize("endpoint", ["http://fd00::1:4318", "http://[::1:4318", "http://host:port"])
@pytest.mark.parametrize("excepted", ["", "10.0.0.0/8"])
def test_export_to_a_malformed_endpoint_fails_without_an_exception(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, excepted: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("NO_PROXY", excepted)
    export()


@pytest.mark.parametrize("status", [429, 503])
def test_export_repeats_what_a_collector_could_not_take(
    received: Requests, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    received.statuses = [status]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)

    assert export() == received.spans()
    assert received.bodies[0] == received.bodies[1]


def test_export_follows_no_redirect(received: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
    received.statuses = [307]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
    export()

    assert received.targets == ["/v1/traces"]
