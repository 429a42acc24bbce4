"""Reports this gateway's counts: to the admin API of this gateway, and to other gateways that request them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from penstock_broker.connection import Connection
from penstock_contract import codec, subjects
from penstock_contract.fleet.gateway_report import GatewayReport, RouteCounts
from penstock_gateway.fleet.metric_snapshot import Family, MetricSnapshot, snapshot, with_open_streams
from penstock_gateway.streaming.registry import StreamRegistry
from penstock_gateway.streaming.stream import Stream


def prometheus_families() -> Iterable[Family]:
    """The registry that `/metrics` renders."""
    from prometheus_client import REGISTRY  # noqa: PLC0415 - not imported before the first scrape or report

    return REGISTRY.collect()


class GatewayReporter:
    """Create it before the connection starts. `families` runs in a thread, as with many routes it takes a while."""

    def __init__(
        self,
        connection: Connection,
        registry: StreamRegistry,
        families: Callable[[], Iterable[Family]],
        *,
        gateway: str,
        version: str,
    ) -> None:
        self._registry = registry
        self._families = families
        self._gateway = gateway
        self._version = version
        self._reading: asyncio.Future[MetricSnapshot] | None = None
        connection.serve_later(subjects.gateway_report(gateway), self._reply)

    async def report(self) -> GatewayReport:
        """Concurrent requests share one reading of the metrics."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(asyncio.to_thread(self._read))
        read = await asyncio.shield(self._reading)
        return report_of(read, self._registry, gateway=self._gateway, version=self._version)

    def _read(self) -> MetricSnapshot:
        return snapshot(self._families())

    async def _reply(self, _data: bytes) -> bytes:
        return codec.encode(await self.report())


def report_of(read: MetricSnapshot, streams: Iterable[Stream], *, gateway: str, version: str) -> GatewayReport:
    """The counts of the metrics, and of the streams that are open now."""
    open_: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for stream in streams:
        if not stream.is_reader:
            open_[stream.route] += 1
            tokens[stream.route] += open_tokens(stream.size.deltas, stream.size.text_length)
    routes = [
        with_open_streams(read.routes.get(route) or RouteCounts(route=route), open_[route], tokens[route])
        for route in sorted({*read.routes, *open_})
    ]
    return GatewayReport(
        gateway=gateway,
        version=version,
        has_metrics=read.found,
        in_flight=read.in_flight,
        errors=read.errors,
        routes=routes,
    )


def open_tokens(deltas: int, text_length: int) -> int:
    """Output tokens of an open stream: one delta is one token. Vectors have no text, and are no tokens.

    Not by the length of the text, as usage records estimate: a count above the provider's would fall at the end.
    """
    return deltas if text_length else 0
