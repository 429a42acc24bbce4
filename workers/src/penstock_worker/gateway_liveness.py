"""Which gateways are lost, as far as this worker serves them: no process reads what it sends to one of those."""

from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_table import PeerState, PeerTable


class Gateways:
    """Times are event-loop times."""

    def __init__(self, pause_detector: PauseDetector) -> None:
        self._peers: PeerTable[str, None] = PeerTable(pause_detector)

    def heard(self, gateway: str, now: float) -> None:
        self._peers.record_heartbeat(gateway, None, now)

    def serve(self, gateway: str, now: float) -> None:
        """A request came from this gateway: its heartbeats are expected from now on."""
        self._peers.expect(gateway, None, now)

    def reconnected(self, now: float) -> None:
        """The broker is back, and the gateways have to connect again, too."""
        self._peers.rebase(now)

    def silent(self, now: float) -> list[str]:
        """The gateways to probe."""
        return [name for name, _ in self._peers.in_state(PeerState.SILENT, now)]

    def disconnected(self, gateway: str, now: float) -> None:
        """The broker has no connection of this gateway."""
        self._peers.mark_disconnected(gateway, now)

    def take_lost(self, now: float) -> list[str]:
        """The gateways that are lost, each once."""
        return self._peers.take_lost(now)
