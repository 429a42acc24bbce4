"""What time does to open streams: one ticker for all, so that no stream needs a timer of its own.

`judge` is pure: it says what a stream needs now. `Supervisor` does it.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

import structlog

from penstock_contract import codec, subjects
from penstock_contract.attention import Attention
from penstock_contract.errors import ErrorDetail
from penstock_contract.frames import Attach, GatewayHeartbeat
from penstock_gateway.activation import Activations
from penstock_gateway.live import LiveStream
from penstock_gateway.renderers.renderer import PING
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.table import StreamTable

TICK_S = 0.25
HEARTBEAT_S = 1.0
WORKER_LOST_S = 3.5
"""Three heartbeats and a half."""
BROKER_AWAY_MAX_S = 10.0
GAP_MAX_S = 5.0
ATTACH_AGAIN_S = 0.5
PROBE_S = 10.0
"""A stream that is silent for this long is asked for what it may have lost: core NATS drops without a word."""
DEADLINE_GRACE_S = 2.0
"""The worker ends a request at its deadline; the gateway only if it does not."""
PRESENCE_KEPT_S = 60.0


class Presence(NamedTuple):
    """Of a worker's last heartbeat."""

    at: float
    incarnation: int


log = structlog.get_logger("penstock.gateway")


class Need(Enum):
    NOTHING = "nothing"
    COMMIT = "commit"
    PING = "ping"
    ATTACH = "attach"
    FORGET_WORKER = "forget worker"


def judge(
    stream: LiveStream,
    now: float,
    settings: GatewaySettings,
    *,
    broker_away_s: float,
    worker_seen_at: float | None,
    attention: Attention,
    cause: str = "",
) -> Need | ErrorDetail:
    """The most urgent need of `stream`, or the error that ends it. `worker_seen_at` is its worker's last heartbeat.

    What workers say is waited for only while we listened, see `attention`. `cause` is what is known to keep the route's
    workers from taking requests.
    """
    failed = _overdue(stream, now, settings, broker_away_s, attention, cause)
    if failed is not None:
        return failed
    if broker_away_s == 0:
        attach_age = now - stream.attach_asked_at
        if stream.worker is not None and stream.accepted_at is not None:
            if attention.passed_s(max(stream.accepted_at, worker_seen_at or 0), now) > WORKER_LOST_S:
                if not stream.started:
                    return Need.FORGET_WORKER
                return ErrorDetail("worker_lost", "the worker that served this request died")
            if now - stream.active_at > PROBE_S and attach_age > PROBE_S:
                return Need.ATTACH
        # Also without a known worker: its first frame may be what was lost.
        if stream.gap_since is not None and attach_age > ATTACH_AGAIN_S:
            return Need.ATTACH
    if not stream.committed and now - stream.opened_at > settings.commit_after_s:
        return Need.COMMIT
    if stream.committed and now - stream.written_at > settings.ping_after_s:
        return Need.PING
    return Need.NOTHING


def _overdue(
    stream: LiveStream,
    now: float,
    settings: GatewaySettings,
    broker_away_s: float,
    attention: Attention,
    cause: str,
) -> ErrorDetail | None:
    limits = stream.limits
    if stream.worker is None and now - stream.published_at > limits.queue_timeout_seconds:
        message = f"no worker took the request within {limits.queue_timeout_seconds:g} s"
        return ErrorDetail("queue_timeout", f"{message}: {cause}" if cause else message, retry_after_s=5)
    if now - stream.opened_at > limits.request_timeout_seconds + DEADLINE_GRACE_S:
        return ErrorDetail("request_timeout", "the request took longer than it may")
    if broker_away_s > BROKER_AWAY_MAX_S:
        return ErrorDetail("broker_unavailable", "the message broker is away", retry_after_s=1)
    if stream.gap_since is not None and attention.passed_s(stream.gap_since, now) > GAP_MAX_S and broker_away_s == 0:
        return ErrorDetail("stream_lost", "part of the answer was lost on its way")
    if stream.stalled_since is not None and now - stream.stalled_since > settings.write_timeout_s:
        return ErrorDetail("slow_client", "the client did not read its answer")
    return None


class Broker(Protocol):
    """What is needed of `broker.connection`."""

    @property
    def connected(self) -> bool: ...

    async def publish(self, subject: str, data: bytes) -> None: ...


class Supervisor:
    """Runs until cancelled; hears the workers' heartbeats and sends the gateway's own.

    `cause` says of a route's key why nobody serves it, if that is known.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        connection: Broker,
        table: StreamTable,
        activations: Activations,
        cause: Callable[[str], str],
        *,
        gateway: str,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._table = table
        self._activations = activations
        self._cause = cause
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        # By route and name: a worker may say what it likes of itself, but only under its own route.
        self._workers: dict[tuple[str, str], Presence] = {}
        self._attention = Attention(TICK_S)
        self._away_since: float | None = self._loop.time()

    def on_heartbeat(self, subject: str, data: bytes) -> None:
        beat = codec.decode_worker_heartbeat(data)
        route, now = subjects.route_key(subject), self._loop.time()
        self._workers[route, beat.worker] = Presence(now, beat.incarnation)
        self._activations.heard(route, beat, now)

    async def on_connected(self) -> None:
        """After a reconnect every stream may have lost frames."""
        now = self._loop.time()
        self._back(now)
        for stream in self._table:
            await self._attach(stream, now)

    def _back(self, now: float) -> None:
        """The broker is; nobody's heartbeat could be heard until now."""
        self._away_since = None
        self._workers = {worker: seen._replace(at=now) for worker, seen in self._workers.items()}
        self._activations.reconnected(now)

    async def run(self) -> None:
        beat_at = 0.0
        while True:
            now = self._loop.time()
            self._attention.look(now)
            if now - beat_at >= HEARTBEAT_S:
                beat_at = now
                await self._connection.publish(
                    subjects.gateway_heartbeat(self._gateway), codec.encode(GatewayHeartbeat(self._gateway))
                )
                passed_s = self._attention.passed_s
                self._workers = {
                    worker: seen for worker, seen in self._workers.items() if passed_s(seen.at, now) < PRESENCE_KEPT_S
                }
                self._activations.forget(now)
            if not self._connection.connected:
                self._away_since = self._away_since or now
            elif self._away_since is not None:
                # Not left to `on_connected`: before it others may wait for answers of a JetStream without a leader.
                self._back(now)
            for stream in self._table:
                try:
                    await self._look_after(stream, now)
                except Exception:
                    # The root of all streams' clocks: one stream must not stop it.
                    log.exception("gateway.supervision_failed", request_id=stream.request_id)
            await asyncio.sleep(TICK_S)

    async def _look_after(self, stream: LiveStream, now: float) -> None:
        if stream.done.done():
            return
        stream.look_at_client(now)
        if stream.worker is None and not stream.started:
            self._activations.waits(stream.route, stream.published_at, now)
        need = judge(
            stream,
            now,
            self._settings,
            broker_away_s=0.0 if self._away_since is None else now - self._away_since,
            worker_seen_at=self._seen_at(stream),
            attention=self._attention,
            cause=self._cause(stream.route),
        )
        match need:
            case ErrorDetail():
                stream.fail(need)
            case Need.COMMIT:
                stream.commit()
            case Need.PING:
                stream.ping(PING, now)
            case Need.ATTACH:
                await self._attach(stream, now)
            case Need.FORGET_WORKER:
                stream.forget_worker(now)

    def _seen_at(self, stream: LiveStream) -> float | None:
        """When the very process that serves this stream was last heard."""
        seen = self._workers.get((stream.route, stream.worker)) if stream.worker is not None else None
        return seen.at if seen is not None and seen.incarnation == stream.incarnation else None

    async def _attach(self, stream: LiveStream, now: float) -> None:
        stream.attach_asked_at = now
        namespace, _, name = stream.route.partition(".")
        if stream.worker is not None:
            subject = subjects.control(namespace, name, stream.worker)
        else:
            # Perhaps a worker has taken it and we did not hear which.
            subject = subjects.control_all(namespace, name)
        attach = Attach(stream.id, stream.attempt, stream.next_seq, self._gateway)
        await self._connection.publish(subject, codec.encode(attach))
