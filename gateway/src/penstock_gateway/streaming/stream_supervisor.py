"""Applies the timeouts of all open streams: one ticker, so that no stream needs a timer of its own.

Receives the workers' heartbeats, publishes the gateway's own, and probes silent workers.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from penstock_contract import codec, subjects
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.frames import Attach, GatewayHeartbeat, Probe, WorkerHeartbeat
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.activation import Activations
from penstock_gateway.streaming.control_messages import control_subject
from penstock_gateway.streaming.registry import StreamRegistry
from penstock_gateway.streaming.stream import Stream
from penstock_gateway.streaming.stream_timeouts import UNKNOWN_WORKER, ServingWorker, StreamAction, next_action
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.pause_detector import LATE_S, PauseDetector
from penstock_runtime.peer_liveness import HEARTBEAT_S, LOST_S, PeerState, PeerTable

TICK_S = 0.25
PROBE_TIMEOUT_S = 1.0
"""A silent worker is probed again after this long."""

log = structlog.get_logger("penstock.gateway")


class ControlConnection(Protocol):
    """The part of the broker connection that the supervisor needs."""

    @property
    def connected(self) -> bool: ...

    async def publish(self, subject: str, data: bytes) -> None: ...

    async def has_no_subscriber(self, subject: str, data: bytes, *, timeout_s: float) -> bool: ...


class StreamSupervisor:
    """Call `start`, and `close` afterwards. `cause` gives the known reason why a route, by its key, has no worker."""

    def __init__(
        self,
        settings: GatewaySettings,
        connection: ControlConnection,
        registry: StreamRegistry,
        activations: Activations,
        cause: Callable[[str], str],
        pause_detector: PauseDetector,
        *,
        gateway: str,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._registry = registry
        self._activations = activations
        self._cause = cause
        self._gateway = gateway
        self._pause_detector = pause_detector
        # By route and name: a heartbeat counts only under its own route, whatever worker it names. The value is the
        # incarnation.
        self._workers: PeerTable[tuple[str, str], int] = PeerTable(pause_detector)
        self._heartbeats: dict[tuple[str, str], WorkerHeartbeat] = {}
        self._probes: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._connected = False
        self._ticked_at = 0.0
        self._away_since: float | None = None
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._ticked_at = asyncio.get_running_loop().time()
        if not self._connected:
            self._away_since = self._ticked_at
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._running is not None:
            await cancel_and_wait(self._running)

    def on_heartbeat(self, subject: str, data: bytes) -> None:
        beat = codec.decode_worker_heartbeat(data)
        route, now = subjects.route_key(subject), asyncio.get_running_loop().time()
        self._workers.record_heartbeat((route, beat.worker), beat.incarnation, now)
        self._heartbeats[route, beat.worker] = beat
        self._activations.on_heartbeat(route, beat, now)

    def heartbeats(self) -> list[tuple[str, WorkerHeartbeat]]:
        """The last heartbeat of each worker that is alive, with its route."""
        alive = self._workers.in_state(PeerState.ALIVE, asyncio.get_running_loop().time())
        return [(key[0], self._heartbeats[key]) for key, _ in alive if key in self._heartbeats]

    async def on_connected(self) -> None:
        """After a reconnect every stream may have lost frames."""
        now = asyncio.get_running_loop().time()
        self._reconnected(now)
        for stream in self._registry:
            await self._attach(stream, now)

    def _reconnected(self, now: float) -> None:
        self._connected = True
        self._away_since = None
        self._workers.rebase(now)
        self._activations.reconnected(now)

    def _check_broker(self, now: float) -> None:
        """Note since when the broker has been unavailable, or silent."""
        if not self._connection.connected:
            self._connected = False
            paused_since: float | None = now
        else:
            if not self._connected:
                # Not left to `on_connected`: earlier hooks may wait for answers of a JetStream without a leader.
                self._reconnected(now)
            paused_since = self._pause_detector.paused_since(now)
        paused = now - self._ticked_at > TICK_S + LATE_S
        self._ticked_at = now
        if paused_since is None:
            self._away_since = None
        elif paused:
            # This process was paused: the broker's answers may not have been read yet.
            self._away_since = now
        elif self._away_since is None:
            self._away_since = paused_since

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        heartbeat_at = 0.0
        while True:
            now = loop.time()
            if now - heartbeat_at >= HEARTBEAT_S:
                heartbeat_at = now
                await self._connection.publish(
                    subjects.gateway_heartbeat(self._gateway), codec.encode(GatewayHeartbeat(self._gateway))
                )
                self._workers.expire(now)
                if len(self._heartbeats) > len(self._workers):
                    self._heartbeats = {key: beat for key, beat in self._heartbeats.items() if self._workers.get(key)}
                self._activations.expire(now)
            self._check_broker(now)
            self._probe_unresponsive(now)
            for stream in self._registry:
                try:
                    await self._check_stream(stream, now)
                except Exception:
                    # The timer of all streams: an error in one must not stop it.
                    log.exception("gateway.supervision_failed", request_id=stream.request_id)
            await asyncio.sleep(TICK_S)

    async def _check_stream(self, stream: Stream, now: float) -> None:
        if stream.done.done():
            return
        stream.output.check_client(now)
        if stream.serving.worker is None and not stream.protocol.started and not stream.is_reader:
            self._activations.waits(stream.route, stream.serving.published_at, now)
        action = next_action(
            stream,
            now,
            self._settings,
            broker_away_s=0.0 if self._away_since is None else now - self._away_since,
            worker=self._serving(stream, now),
            pause_detector=self._pause_detector,
            cause=self._cause(stream.route),
        )
        match action:
            case ErrorDetail():
                stream.fail(action)
            case StreamAction.COMMIT:
                stream.commit()
            case StreamAction.PING:
                stream.ping(now)
            case StreamAction.ATTACH:
                await self._attach(stream, now)
            case StreamAction.DROP_WORKER:
                stream.serving.drop_worker(now)

    def _serving(self, stream: Stream, now: float) -> ServingWorker:
        if stream.serving.worker is None or stream.serving.accepted_at is None:
            return UNKNOWN_WORKER
        key = stream.route, stream.serving.worker
        self._workers.expect(key, stream.serving.incarnation, stream.serving.accepted_at)
        peer, state = self._workers.get(key), self._workers.state(key, now)
        assert peer is not None
        if state is PeerState.ALIVE and peer.value == stream.serving.incarnation:
            pass
        elif self._pause_detector.elapsed_s(stream.serving.accepted_at, now) <= LOST_S:
            # `Accepted` counts as a heartbeat.
            state = PeerState.ALIVE
        elif state is PeerState.ALIVE:
            # Another process has the name of the one that serves this stream.
            state = PeerState.LOST
        return ServingWorker(state, peer.since)

    def is_alive(self, route: str, worker: str) -> bool:
        """True while the worker sends heartbeats."""
        return self._workers.state((route, worker), asyncio.get_running_loop().time()) is PeerState.ALIVE

    def _probe_unresponsive(self, now: float) -> None:
        if self._away_since is not None:
            return
        for key, _ in self._workers.in_state(PeerState.SILENT, now):
            if key not in self._probes:
                self._probes[key] = asyncio.create_task(self._probe(key))

    async def _probe(self, key: tuple[str, str]) -> None:
        route, worker = key
        namespace, _, name = route.partition(".")
        subject = subjects.control(namespace, name, worker)
        try:
            if await self._connection.has_no_subscriber(subject, codec.encode(Probe()), timeout_s=PROBE_TIMEOUT_S):
                self._workers.mark_disconnected(key, asyncio.get_running_loop().time())
        finally:
            del self._probes[key]

    async def _attach(self, stream: Stream, now: float) -> None:
        stream.attach_sent_at = now
        attach = Attach(stream.id, stream.protocol.attempt, stream.protocol.next_seq, self._gateway)
        await self._connection.publish(control_subject(stream), codec.encode(attach))
