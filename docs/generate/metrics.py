"""Tables of docs/operations/telemetry.md, from the instruments that each process creates."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from opentelemetry.metrics import Counter, Histogram, NoOpMeter, ObservableCounter, ObservableGauge
from opentelemetry.trace import NoOpTracer

from generate.page import table
from penstock_broker.stores.usage_storage import StorageState
from penstock_gateway.telemetry.gateway_state import observe_gateway
from penstock_gateway.telemetry.request_observer import RequestObserver
from penstock_gateway.usage.storage_monitor import StorageMonitor
from penstock_operator.metrics import Metrics, ObservedMetrics
from penstock_operator.nats_metrics import NatsMetrics
from penstock_runtime.clock import SystemClock
from penstock_runtime.telemetry.histograms import HistogramMeter
from penstock_runtime.telemetry.setup import Telemetry
from penstock_worker.telemetry import WorkerTelemetry

Kind = Literal["counter", "gauge", "histogram"]


class Instrument(NamedTuple):
    kind: Kind
    name: str
    unit: str
    description: str

    @property
    def prometheus(self) -> str:
        """The name at `/metrics`: OpenTelemetry's exporter appends the unit, and `_total` to a counter."""
        name = self.name.replace(".", "_") + {"s": "_seconds", "By": "_bytes"}.get(self.unit, "")
        return {"counter": f"{name}_total", "histogram": f"{name}_bucket"}.get(self.kind, name)


class RecordingMeter(NoOpMeter):
    """Records what is created with it; the instruments do nothing."""

    def __init__(self) -> None:
        super().__init__("docs")
        self.created: list[Instrument] = []

    def create_histogram(self, name: str, unit: str = "", description: str = "", **_: Any) -> Histogram:
        self.created.append(Instrument("histogram", name, unit, description))
        return super().create_histogram(name, unit, description)

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        self.created.append(Instrument("counter", name, unit, description))
        return super().create_counter(name, unit, description)

    def create_observable_counter(
        self, name: str, callbacks: Sequence[Any] | None = None, unit: str = "", description: str = ""
    ) -> ObservableCounter:
        self.created.append(Instrument("counter", name, unit, description))
        return super().create_observable_counter(name, callbacks, unit, description)

    def create_observable_gauge(
        self, name: str, callbacks: Sequence[Any] | None = None, unit: str = "", description: str = ""
    ) -> ObservableGauge:
        self.created.append(Instrument("gauge", name, unit, description))
        return super().create_observable_gauge(name, callbacks, unit, description)


def gateway() -> list[Instrument]:
    meter = RecordingMeter()
    HistogramMeter(meter)
    RequestObserver(meter)
    StorageMonitor(meter, _unknown)
    observe_gateway(meter, connected=lambda: False, bodies_held=lambda: 0, bodies_max=0)
    return meter.created


def worker() -> list[Instrument]:
    meter = RecordingMeter()
    HistogramMeter(meter)
    WorkerTelemetry(Telemetry(NoOpTracer(), meter, _nothing), SystemClock(), "route", "queue")
    return meter.created


def operator() -> list[Instrument]:
    meter = RecordingMeter()
    HistogramMeter(meter)
    Metrics(meter, ())
    ObservedMetrics(
        meter, queue_depth=lambda: 0, leading=lambda: False, demand=dict, namespaces=dict, connected=lambda: False
    )
    NatsMetrics(meter, dict)
    return meter.created


def instruments(found: list[Instrument]) -> str:
    return table(
        ("metric", "at `/metrics`", "kind", "meaning"),
        ((f"`{one.name}`", f"`{one.prometheus}`", one.kind, f"{one.description}.") for one in found),
    )


async def _unknown() -> StorageState | None:
    return None


def _nothing() -> None:
    return None
