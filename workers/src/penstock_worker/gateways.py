"""Which gateways are alive, as far as this worker serves them: nobody reads what it sends to one that is gone."""

from penstock_contract.attention import Attention

LOST_S = 3.5
"""Three heartbeats and a half, as the gateways have it with workers."""


class Gateways:
    """Call `look` every `every_s`; times are event-loop times."""

    def __init__(self, every_s: float) -> None:
        self._attention = Attention(every_s)
        self._heard_at: dict[str, float] = {}

    def heard(self, gateway: str, now: float) -> None:
        self._heard_at[gateway] = now

    def serve(self, gateway: str, now: float) -> None:
        """A request came from it: it is waited for from now on, if it was not heard before."""
        self._heard_at.setdefault(gateway, now)

    def look(self, now: float, *, connected: bool) -> set[str]:
        """Those that are gone, once."""
        self._attention.look(now)
        if not connected:
            # Nobody's heartbeat gets through: that says nothing about the gateways.
            self._heard_at = dict.fromkeys(self._heard_at, now)
            return set()
        lost = {name for name, at in self._heard_at.items() if self._attention.passed_s(at, now) > LOST_S}
        for gateway in lost:
            del self._heard_at[gateway]
        return lost
