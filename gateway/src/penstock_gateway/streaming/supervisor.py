"""What time does to open streams: one ticker for all, so that no stream needs a timer of its own.

`judge` is pure: it says what a stream needs now. `Supervisor` does it.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

import structlog

from penstock_contract import codec, subjects
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.frames import Attach, GatewayHeartbeat, Probe
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.activation import Activations
from penstock_gateway.streaming.registry import StreamTable
from penstock_gateway.streaming.renderers.renderer import PING
from penstock_gateway.streaming.stream import LiveStream
from penstock_runtime.pause_detector import LATE_S, PauseDetector
from penstock_runtime.peer_table import HEARTBEAT_S, LOST_S, SILENCE_MAX_S, PeerState, PeerTable

TICK_S = 0.25
BROKER_AWAY_MAX_S = SILENCE_MAX_S
GAP_MAX_S = 5.0
ATTACH_AGAIN_S = 0.5
PROBE_S = 10.0
"""A stream that is silent for this long is asked for what it may have lost: core NATS drops without a word."""
DEADLINE_GRACE_S = 2.0
"""The worker ends a request at its deadline; the gateway only if it does not."""
PROBE_TIMEOUT_S = 1.0
"""A silent worker is probed again after this long."""


class ServingWorker(NamedTuple):
    """`presence` is that of the process that serves the stream, heard without a silence since `since`."""

    presence: PeerState
    since: float


UNKNOWN_WORKER = ServingWorker(PeerState.ALIVE, float("-inf"))


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
    worker: ServingWorker,
    pause_detector: PauseDetector,
    cause: str = "",
) -> Need | ErrorDetail:
    """The most urgent need of `stream`, or the error that ends it.

    A silence of up to `SILENCE_MAX_S`, be it the broker's, this process's or the worker's, ends no stream; see `peers`.
    `cause` is what is known to keep the route's workers from taking requests.
    """
    failed = _overdue(stream, now, settings, broker_away_s, worker, pause_detector, cause)
    if failed is not None:
        return failed
    if broker_away_s == 0:
        attach_age = now - stream.attach_asked_at
        if stream.worker is not None and stream.accepted_at is not None:
            if worker.presence is PeerState.LOST:
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
    worker: ServingWorker,
    pause_detector: PauseDetector,
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
    if (
        stream.gap_since is not None
        and broker_away_s == 0
        # The frames that a silent worker sends again cannot arrive.
        and worker.presence is PeerState.ALIVE
        and pause_detector.elapsed_s(max(stream.gap_since, worker.since), now) > GAP_MAX_S
    ):
        return ErrorDetail("stream_lost", "part of the answer was lost on its way")
    if stream.stalled_since is not None and now - stream.stalled_since > settings.write_timeout_s:
        return ErrorDetail("slow_client", "the client did not read its answer")
    return None


class Broker(Protocol):
    """What is needed of `broker.connection`."""

    @property
    def connected(self) -> bool: ...

    async def publish(self, subject: str, data: bytes) -> None: ...

    async def has_no_subscriber(self, subject: str, data: bytes, *, timeout_s: float) -> bool: ...


class Supervisor:
    """Runs until cancelled; receives the workers' heartbeats and publishes the gateway's own.

    `cause` gives for a route's key why no worker serves it, if that is known.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        connection: Broker,
        table: StreamTable,
        activations: Activations,
        cause: Callable[[str], str],
        pause_detector: PauseDetector,
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
        self._pause_detector = pause_detector
        # By route and name: a worker may say what it likes of itself, but only under its own route. The value is the
        # incarnation.
        self._workers: PeerTable[tuple[str, str], int] = PeerTable(pause_detector)
        self._probes: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._connected = False
        self._looked_at = self._loop.time()
        self._away_since: float | None = self._looked_at

    def on_heartbeat(self, subject: str, data: bytes) -> None:
        beat = codec.decode_worker_heartbeat(data)
        route, now = subjects.route_key(subject), self._loop.time()
        self._workers.record_heartbeat((route, beat.worker), beat.incarnation, now)
        self._activations.heard(route, beat, now)

    async def on_connected(self) -> None:
        """After a reconnect every stream may have lost frames."""
        now = self._loop.time()
        self._reconnected(now)
        for stream in self._table:
            await self._attach(stream, now)

    def _reconnected(self, now: float) -> None:
        self._connected = True
        self._away_since = None
        self._workers.rebase(now)
        self._activations.reconnected(now)

    def _look_at_broker(self, now: float) -> None:
        """Note since when the broker has been away, or silent."""
        if not self._connection.connected:
            self._connected = False
            paused_since: float | None = now
        else:
            if not self._connected:
                # Not left to `on_connected`: hooks before it may wait for answers of a JetStream without a leader.
                self._reconnected(now)
            paused_since = self._pause_detector.paused_since(now)
        stopped = now - self._looked_at > TICK_S + LATE_S
        self._looked_at = now
        if paused_since is None:
            self._away_since = None
        elif stopped:
            # This process was: the broker's answers may wait to be read.
            self._away_since = now
        elif self._away_since is None:
            self._away_since = paused_since

    async def run(self) -> None:
        beat_at = 0.0
        while True:
            now = self._loop.time()
            if now - beat_at >= HEARTBEAT_S:
                beat_at = now
                await self._connection.publish(
                    subjects.gateway_heartbeat(self._gateway), codec.encode(GatewayHeartbeat(self._gateway))
                )
                self._workers.forget(now)
                self._activations.forget(now)
            self._look_at_broker(now)
            self._probe_silent(now)
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
            worker=self._serving(stream, now),
            pause_detector=self._pause_detector,
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

    def _serving(self, stream: LiveStream, now: float) -> ServingWorker:
        if stream.worker is None or stream.accepted_at is None:
            return UNKNOWN_WORKER
        key = stream.route, stream.worker
        self._workers.expect(key, stream.incarnation, stream.accepted_at)
        peer, presence = self._workers.get(key), self._workers.state(key, now)
        assert peer is not None
        if presence is PeerState.ALIVE and peer.value == stream.incarnation:
            pass
        elif self._pause_detector.elapsed_s(stream.accepted_at, now) <= LOST_S:
            # Its `Accepted` is as good as a heartbeat.
            presence = PeerState.ALIVE
        elif presence is PeerState.ALIVE:
            # Another process has the name of the one that serves this stream.
            presence = PeerState.LOST
        return ServingWorker(presence, peer.since)

    def _probe_silent(self, now: float) -> None:
        if self._away_since is not None:
            return
        for key, _ in self._workers.in_state(PeerState.SILENT, now):
            if key not in self._probes:
                task = self._probes[key] = asyncio.create_task(self._probe(key))
                task.add_done_callback(lambda _, key=key: self._probes.pop(key))  # type: ignore[misc]

    async def _probe(self, key: tuple[str, str]) -> None:
        route, worker = key
        namespace, _, name = route.partition(".")
        subject = subjects.control(namespace, name, worker)
        if await self._connection.has_no_subscriber(subject, codec.encode(Probe()), timeout_s=PROBE_TIMEOUT_S):
            self._workers.mark_disconnected(key, self._loop.time())

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
