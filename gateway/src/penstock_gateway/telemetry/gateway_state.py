"""Gauges of a gateway process: its connection to the broker, and the bytes of request bodies that it holds."""

from collections.abc import Callable

from opentelemetry.metrics import Meter, Observation

from penstock_runtime.telemetry import names


def observe_gateway(
    meter: Meter, *, connected: Callable[[], bool], bodies_held: Callable[[], int], bodies_max: int
) -> None:
    """Create the gauges; both functions are called in the exporter's thread."""
    meter.create_observable_gauge(
        names.METRIC_BROKER_CONNECTED,
        [lambda _: [Observation(int(connected()))]],
        description="1 while the gateway is connected to NATS, else 0",
    )
    meter.create_observable_gauge(
        names.METRIC_BODIES,
        [lambda _: [Observation(bodies_held())]],
        unit="By",
        description="Bytes of the bodies of open requests",
    )
    meter.create_observable_gauge(
        names.METRIC_BODIES_MAX,
        [lambda _: [Observation(bodies_max)]],
        unit="By",
        description="Bound of these bytes; a request beyond it is a 503",
    )
