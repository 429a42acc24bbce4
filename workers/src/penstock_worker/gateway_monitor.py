"""Receives the gateways' heartbeats, probes the silent ones, and ends the sessions of lost ones."""

import asyncio

from penstock_broker.connection import Connection
from penstock_contract import codec, subjects
from penstock_contract.stream.frames import Batch
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import PeerState, PeerTable
from penstock_worker.background_tasks import BackgroundTasks
from penstock_worker.sessions.registry import SessionRegistry

PROBE_TIMEOUT_S = 1.0
"""A silent gateway is probed again after this time."""


class GatewayLiveness:
    """Liveness of the gateways that this worker serves: a lost one reads no frames. Times are event-loop times."""

    def __init__(self, pause_detector: PauseDetector) -> None:
        self._peers: PeerTable[str, None] = PeerTable(pause_detector)

    def record_heartbeat(self, gateway: str, now: float) -> None:
        self._peers.record_heartbeat(gateway, None, now)

    def expect(self, gateway: str, now: float) -> None:
        """Expect heartbeats of this gateway from now on, because it has sent a request."""
        self._peers.expect(gateway, None, now)

    def rebase(self, now: float) -> None:
        """Count silence from now on: after a reconnect to the broker, the gateways have to reconnect too."""
        self._peers.rebase(now)

    def silent(self, now: float) -> list[str]:
        """The gateways to probe."""
        return [name for name, _ in self._peers.in_state(PeerState.SILENT, now)]

    def mark_disconnected(self, gateway: str, now: float) -> None:
        """Record that the broker has no connection of this gateway."""
        self._peers.mark_disconnected(gateway, now)

    def take_lost(self, now: float) -> list[str]:
        """The gateways lost since the last call."""
        return self._peers.take_lost(now)


class GatewayMonitor:
    """Times are event-loop times; `check` is called several times a second."""

    def __init__(
        self,
        connection: Connection,
        worker: str,
        route: tuple[str, str],
        sessions: SessionRegistry,
        pause_detector: PauseDetector,
        background: BackgroundTasks,
    ) -> None:
        self._connection = connection
        self._worker = worker
        self._route = route
        self._sessions = sessions
        self._background = background
        self._liveness = GatewayLiveness(pause_detector)
        self._probed: set[str] = set()

    def on_heartbeat(self, _subject: str, data: bytes) -> None:
        gateway = codec.decode_gateway_heartbeat(data).gateway
        self._liveness.record_heartbeat(gateway, asyncio.get_running_loop().time())

    def expect(self, gateway: str, now: float) -> None:
        """Expect heartbeats of a gateway that has sent a request."""
        self._liveness.expect(gateway, now)

    def rebase(self, now: float) -> None:
        """Count silence from now on, after a reconnect to the broker."""
        self._liveness.rebase(now)

    def check(self, now: float) -> None:
        """Probe the silent gateways, and end the sessions of the lost ones."""
        for gateway in self._liveness.silent(now):
            if gateway not in self._probed:
                self._probed.add(gateway)
                self._background.spawn(self._probe(gateway))
        self._end_sessions(self._liveness.take_lost(now))

    async def _probe(self, gateway: str) -> None:
        """Request the gateway's reply subject, to which it alone subscribes: the broker reports no subscribers."""
        subject, nothing = subjects.reply(gateway, *self._route), codec.encode(Batch(self._worker, []))
        try:
            if await self._connection.has_no_subscriber(subject, nothing, timeout_s=PROBE_TIMEOUT_S):
                self._liveness.mark_disconnected(gateway, asyncio.get_running_loop().time())
        finally:
            self._probed.discard(gateway)

    def _end_sessions(self, lost: list[str]) -> None:
        """End the calls of lost gateways, unless their policy lets them go on: their answers cost money."""
        now = asyncio.get_running_loop().time()
        for session in self._sessions if lost else ():
            for gateway in [one for one in session.stream.gateways if one in lost]:
                self._sessions.release(session, gateway, now)
