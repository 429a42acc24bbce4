"""The counts of a gateway's metrics, from the registry that `/metrics` renders."""

from collections.abc import Iterable

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from penstock_gateway.fleet.metric_snapshot import snapshot
from penstock_gateway.telemetry.request_observer import RequestObserver
from penstock_runtime.telemetry import names


class Gauge:
    """A gateway's instruments and what a scrape of them gives."""

    def __init__(self) -> None:
        self._reader = PrometheusMetricReader()
        self.meter = MeterProvider([self._reader]).get_meter("test")
        self.observer = RequestObserver(self.meter)

    def families(self) -> Iterable[Metric]:
        # The reader has registered its collector in the process's registry; another test's must not be read.
        registry = CollectorRegistry()
        registry.register(self._reader._collector)
        return registry.collect()


def test_snapshot_sums_the_models_of_a_route() -> None:
    gauge = Gauge()
    observer = gauge.observer
    for model, code in (("large", None), ("large", "queue_full"), ("small", None), ("small", "queue_full")):
        labels = {names.ROUTE: "team.chat", names.REQUEST_MODEL: model}
        observer._duration.record(0.2, labels if code is None else {**labels, names.ERROR_TYPE: code})
        observer._first_token.record(0.07, labels)
        observer._tokens.add(30, {**labels, names.TOKEN_TYPE: "input"})
        observer._tokens.add(5, {**labels, names.TOKEN_TYPE: "output"})
    observer._duration.record(0.2, {names.ROUTE: "team.other", names.REQUEST_MODEL: "*"})
    observer.request_rejected("invalid_api_key")
    observer.stream_opened()

    read = snapshot(gauge.families())

    assert (read.found, read.in_flight, read.errors) == (True, 1, {"invalid_api_key": 1})
    assert set(read.routes) == {"team.chat", "team.other"}
    chat = read.routes["team.chat"]
    assert (chat.requests, chat.errors, chat.input_tokens, chat.output_tokens) == (4, {"queue_full": 2}, 120, 20)
    assert chat.first_token[-1] == (float("inf"), 4)
    assert dict(chat.first_token)[0.06] == 0
    assert dict(chat.first_token)[0.08] == 4
    assert read.routes["team.other"].first_token == []


def test_snapshot_without_metrics_finds_nothing() -> None:
    read = snapshot([])
    assert (read.found, read.in_flight, read.routes) == (False, 0, {})
