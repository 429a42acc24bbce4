"""Telemetry of a call: labels that no client chooses, and no prompt or answer."""

from collections.abc import Iterable

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from unit.support.sessions import Broker, delivery, request

from penstock_contract.errors import ErrorDetail
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.stream.events import Finished, UsageReported
from penstock_runtime.clock import ManualClock
from penstock_runtime.telemetry import names
from penstock_runtime.telemetry.setup import Telemetry
from penstock_worker.telemetry import WorkerTelemetry

PROVIDER = ProviderSpec(name="main", type="OpenAI", base_url="https://api.example.com/v1")


class Collected:
    """The telemetry with its spans and metrics."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._exporter = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        meters = MeterProvider([self._reader])
        self.clock = ManualClock()
        telemetry = Telemetry(tracers.get_tracer("test"), meters.get_meter("test"), lambda: None)
        self.telemetry = WorkerTelemetry(telemetry, self.clock, "default.main", "REQUESTS_default_main")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def points(self, metric: str) -> list[tuple[dict[str, object], float]]:
        """Attributes and sum of every series."""
        data = self._reader.get_metrics_data()
        assert data is not None
        found: Iterable[object] = (
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == metric
            for point in one.data.data_points
        )
        return [(dict(point.attributes), point.sum) for point in found]  # type: ignore[attr-defined]


def call(
    collected: Collected,
    *,
    model: str = "gpt",
    label: str = "gpt",
    error: ErrorDetail | None = None,
    usage: UsageReported | None = None,
    finished: Finished | None = None,
) -> ReadableSpan:
    observed = collected.telemetry.call(request(), PROVIDER, "openai", model, label)
    collected.clock.advance(0.5)
    observed.first_event()
    collected.clock.advance(1.5)
    observed.end(error, usage, finished)
    return collected.spans[-1]


CALL = {
    names.OPERATION: "chat",
    names.PROVIDER: "openai",
    names.REQUEST_MODEL: "gpt",
}
LABELS = {**CALL, names.ROUTE: "default.main", names.PROVIDER_IN_ROUTE: "main"}


def test_telemetry_call_is_one_span_by_the_genai_conventions() -> None:
    span = call(Collected(), usage=UsageReported(3, 7), finished=Finished("length"))

    assert span.name == "chat gpt"
    assert span.attributes == {
        **CALL,
        names.SERVER_ADDRESS: "api.example.com",
        names.REQUEST_ID: "req_1",
        names.TIME_TO_FIRST_CHUNK: 0.5,
        names.FINISH_REASONS: ("length",),
        names.INPUT_TOKENS: 3,
        names.OUTPUT_TOKENS: 7,
    }
    assert span.status.status_code is StatusCode.UNSET


def test_telemetry_call_records_seconds_and_tokens() -> None:
    collected = Collected()
    call(collected, usage=UsageReported(3, 7), finished=Finished("stop"))

    assert collected.points(names.METRIC_CLIENT_DURATION) == [(LABELS, 2.0)]
    assert collected.points(names.METRIC_TOKEN_USAGE) == [
        ({**LABELS, names.TOKEN_TYPE: "input"}, 3),
        ({**LABELS, names.TOKEN_TYPE: "output"}, 7),
    ]


def test_telemetry_puts_a_clients_model_in_the_span_and_in_no_label() -> None:
    collected = Collected()
    span = call(collected, model="made-up", label="*", usage=UsageReported(1, 1), finished=Finished("stop"))

    assert span.attributes is not None
    assert span.attributes[names.REQUEST_MODEL] == "made-up"
    for metric in (names.METRIC_CLIENT_DURATION, names.METRIC_TOKEN_USAGE):
        assert {attributes[names.REQUEST_MODEL] for attributes, _ in collected.points(metric)} == {"*"}


@pytest.mark.parametrize(
    ("error", "code"), [(ErrorDetail("idle_timeout", "a secret"), "idle_timeout"), (None, "cancelled")]
)
def test_telemetry_unfinished_call_has_an_error_type_and_no_message(error: ErrorDetail | None, code: str) -> None:
    collected = Collected()
    span = call(collected, error=error)

    assert span.attributes is not None
    assert span.attributes[names.ERROR_TYPE] == code
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert collected.points(names.METRIC_CLIENT_DURATION) == [({**LABELS, names.ERROR_TYPE: code}, 2.0)]
    assert span.events == ()


def test_telemetry_request_is_one_span_with_its_queue_wait() -> None:
    collected = Collected()
    with collected.telemetry.request(request(), delivery(Broker(), delivered=2), 0.75):
        pass

    [span] = collected.spans
    assert span.name == "process REQUESTS_default_main"
    assert span.attributes == {
        names.MESSAGING_SYSTEM: "nats",
        names.MESSAGING_OPERATION: "process",
        names.MESSAGING_DESTINATION: "REQUESTS_default_main",
        names.MESSAGING_ID: "req_1",
        names.REQUEST_ID: "req_1",
        names.ROUTE: "default.main",
        names.ATTEMPT: 2,
        names.QUEUE_WAIT: 0.75,
    }


def test_telemetry_keeps_the_message_of_an_unexpected_error_out_of_the_span() -> None:
    collected = Collected()
    with pytest.raises(KeyError), collected.telemetry.request(request(), delivery(Broker()), 0.0):
        raise KeyError("a secret of ours")

    [span] = collected.spans
    assert span.status.status_code is StatusCode.ERROR
    assert "secret" not in str(span.status.description)
    assert span.events == ()
