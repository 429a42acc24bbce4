"""Liveness of the gateways that this worker serves: a lost gateway reads no frames any more."""

from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import PeerState, PeerTable


class GatewayLiveness:
    """Times are event-loop times."""

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
