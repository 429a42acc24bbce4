"""Metrics of the NATS servers, as the leader reads them from their monitoring endpoints."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from penstock_operator.nats.monitor import NatsServerState
from penstock_runtime.telemetry import names

Values = Iterable[tuple[float, Mapping[str, str]]]
Read = Callable[[NatsServerState], Values]


class _Instrument(NamedTuple):
    name: str
    unit: str
    description: str
    counts: bool
    read: Read


class NatsMetrics:
    """`servers` are the last states by server, None for one that does not answer; empty where nothing is read."""

    def __init__(self, meter: Meter, servers: Callable[[], Mapping[str, NatsServerState | None]]) -> None:
        self._servers = servers
        meter.create_observable_gauge(
            names.METRIC_NATS_UP,
            [self._observe_up],
            description="1 while the NATS server's monitoring endpoint answers, else 0; leader only",
        )
        for instrument in INSTRUMENTS:
            create = meter.create_observable_counter if instrument.counts else meter.create_observable_gauge
            create(
                instrument.name,
                [self._observer(instrument.read)],
                unit=instrument.unit,
                description=instrument.description,
            )

    def _observe_up(self, _: CallbackOptions) -> Iterator[Observation]:
        for server, state in self._servers().items():
            yield Observation(int(state is not None), {names.NATS_SERVER: server})

    def _observer(self, read: Read) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(_: CallbackOptions) -> Iterator[Observation]:
            for server, state in self._servers().items():
                if state is not None:
                    for value, labels in read(state):
                        yield Observation(value, {names.NATS_SERVER: server, **labels})

        return observe


def _one(read: Callable[[NatsServerState], float]) -> Read:
    return lambda state: [(read(state), {})]


def _two(label: str, first: str, second: str, read: Callable[[NatsServerState], tuple[float, float]]) -> Read:
    def values(state: NatsServerState) -> Values:
        return zip(read(state), ({label: first}, {label: second}), strict=True)

    return values


INSTRUMENTS = (
    _Instrument(names.METRIC_NATS_MEMORY, "By", "Resident memory of a NATS server", False, _one(lambda of: of.mem)),
    _Instrument(
        names.METRIC_NATS_CONNECTIONS,
        "{connection}",
        "Clients of a NATS server",
        False,
        _one(lambda of: of.connections),
    ),
    _Instrument(
        names.METRIC_NATS_SLOW_CONSUMERS,
        "{connection}",
        "Clients that a NATS server disconnected because they did not read",
        True,
        _one(lambda of: of.slow_consumers),
    ),
    _Instrument(
        names.METRIC_NATS_MESSAGES,
        "{message}",
        "Messages of a NATS server by direction: in or out",
        True,
        _two(names.DIRECTION, "in", "out", lambda of: (of.in_msgs, of.out_msgs)),
    ),
    _Instrument(
        names.METRIC_NATS_TRAFFIC,
        "By",
        "Bytes of these messages",
        True,
        _two(names.DIRECTION, "in", "out", lambda of: (of.in_bytes, of.out_bytes)),
    ),
    _Instrument(
        names.METRIC_NATS_STORED,
        "By",
        "Bytes that JetStream stores, by store: memory or file",
        False,
        _two(names.STORE, "memory", "file", lambda of: (of.jetstream.stats.memory, of.jetstream.stats.storage)),
    ),
    _Instrument(
        names.METRIC_NATS_RESERVED,
        "By",
        "Bytes that streams have reserved, by store",
        False,
        _two(
            names.STORE,
            "memory",
            "file",
            lambda of: (of.jetstream.stats.reserved_memory, of.jetstream.stats.reserved_storage),
        ),
    ),
    _Instrument(
        names.METRIC_NATS_STORED_MAX,
        "By",
        "Bound of the stored bytes, by store",
        False,
        _two(
            names.STORE, "memory", "file", lambda of: (of.jetstream.config.max_memory, of.jetstream.config.max_storage)
        ),
    ),
    _Instrument(
        names.METRIC_NATS_API_ERRORS,
        "{error}",
        "Requests that JetStream refused",
        True,
        _one(lambda of: of.jetstream.stats.api.errors),
    ),
)
