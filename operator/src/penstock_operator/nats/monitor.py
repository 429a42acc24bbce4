"""Reads the monitoring endpoint of the NATS servers (`/varz`) for the operator's metrics.

NATS' own page is JSON, and its Prometheus exporter is a further image. The operator reads it when it is scraped itself:
in the thread of the scrape, and at most once in `FRESH_S`.
"""

import http.client
import urllib.request
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

TIMEOUT_S: Final = 1.0
FRESH_S: Final = 2.0
PAGE_BYTES_MAX: Final = 1024 * 1024


class JetStreamConfig(Struct, frozen=True):
    max_memory: int = 0
    max_storage: int = 0


class JetStreamApi(Struct, frozen=True):
    total: int = 0
    errors: int = 0


class JetStreamStats(Struct, frozen=True):
    memory: int = 0
    storage: int = 0
    reserved_memory: int = 0
    reserved_storage: int = 0
    api: JetStreamApi = JetStreamApi()


class JetStreamState(Struct, frozen=True):
    """Without JetStream all of it is 0."""

    config: JetStreamConfig = JetStreamConfig()
    stats: JetStreamStats = JetStreamStats()


class NatsServerState(Struct, frozen=True):
    """The part of a server's `/varz` that becomes metrics. `mem` is its resident memory, all sizes are bytes."""

    mem: int = 0
    connections: int = 0
    slow_consumers: int = 0
    in_msgs: int = 0
    out_msgs: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    jetstream: JetStreamState = JetStreamState()


class NatsMonitor:
    """`urls` are addresses of monitoring endpoints, such as `http://nats-0.nats:8222`. `now` is monotonic."""

    def __init__(self, urls: tuple[str, ...], now: Callable[[], float]) -> None:
        self._urls = urls
        self._now = now
        # No proxy of the environment: the servers are in the same cluster.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._last: Mapping[str, NatsServerState | None] = {}
        self._read_at = float("-inf")

    def read(self) -> Mapping[str, NatsServerState | None]:
        """The servers by their host name, None for one that does not answer. Blocks for a second per such server."""
        if self._now() - self._read_at >= FRESH_S:
            self._last = {urlsplit(url).hostname or url: self._server(url) for url in self._urls}
            self._read_at = self._now()
        return self._last

    def _server(self, url: str) -> NatsServerState | None:
        try:
            with self._opener.open(f"{url}/varz", timeout=TIMEOUT_S) as response:
                page = response.read(PAGE_BYTES_MAX)
            return msgspec.json.decode(page, type=NatsServerState)
        except (OSError, http.client.HTTPException, msgspec.DecodeError, ValueError):
            return None
