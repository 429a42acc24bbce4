"""Metrics of a real nats-server, as the operator reads its monitoring endpoint."""

from pathlib import Path

from harness.nats_server import NatsServer
from harness.processes import free_port
from nats.js.api import StorageType
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from penstock_broker.connection import Connection
from penstock_operator.nats.monitor import FRESH_S, NatsMonitor
from penstock_operator.nats_metrics import INSTRUMENTS, NatsMetrics
from penstock_runtime.telemetry import names

MIB = 1024 * 1024


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def collected(reader: InMemoryMetricReader) -> dict[tuple[str, str], float]:
    """The value of each metric by name and store or direction; the server is the only one."""
    data = reader.get_metrics_data()
    assert data is not None
    found = {}
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.data.data_points:
            labels = dict(point.attributes or {})
            assert labels.pop(names.NATS_SERVER)
            found[metric.name, str(next(iter(labels.values()), ""))] = point.value  # type: ignore[union-attr]
    return found


async def test_nats_metrics_are_those_of_the_server(tmp_path: Path) -> None:
    nats = NatsServer(tmp_path, jetstream="max_memory_store: 64MB,", monitored=True)
    await nats.listening()
    clock, reader = Clock(), InMemoryMetricReader()
    monitor = NatsMonitor((nats.monitor,), clock)
    NatsMetrics(MeterProvider([reader]).get_meter("test"), monitor.read)
    connection = Connection(nats.url, "test", inbox_prefix="_INBOX_test")
    await connection.start()
    try:
        context = connection.client.jetstream()
        await context.add_stream(name="A", subjects=["a"], storage=StorageType.MEMORY, max_bytes=16 * MIB)
        await context.publish("a", b"x" * MIB)

        found = collected(reader)
        assert found[names.METRIC_NATS_UP, ""] == 1
        assert found[names.METRIC_NATS_CONNECTIONS, ""] == 1
        assert found[names.METRIC_NATS_RESERVED, "memory"] == 16 * MIB
        assert MIB < found[names.METRIC_NATS_STORED, "memory"] < 2 * MIB
        assert found[names.METRIC_NATS_STORED_MAX, "memory"] == 64 * MIB
        assert found[names.METRIC_NATS_TRAFFIC, "in"] > MIB
        assert found[names.METRIC_NATS_MEMORY, ""] > MIB
        assert {name for name, _ in found} == {instrument.name for instrument in INSTRUMENTS} | {names.METRIC_NATS_UP}
    finally:
        await connection.close()
        await nats.process.end()

    assert collected(reader)[names.METRIC_NATS_UP, ""] == 1, "read a moment ago"
    clock.now += FRESH_S
    assert collected(reader) == {(names.METRIC_NATS_UP, ""): 0}, "no old numbers of a server that is gone"


def test_nats_monitor_reports_a_server_that_does_not_answer() -> None:
    assert NatsMonitor((f"http://127.0.0.1:{free_port()}",), Clock()).read() == {"127.0.0.1": None}
    assert NatsMonitor((), Clock()).read() == {}
