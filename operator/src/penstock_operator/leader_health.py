"""Health of a leader, as its probes report it; pure. Each check returns the reason of a failure, or None."""

from typing import Final

from msgspec import Struct

from penstock_operator.kube.watch.liveness import WatchLiveness

ANSWERED_S: Final = 10.0
"""An API server that responded within this time counts as available; a leader calls it every two seconds."""


class LeaderHealth(Struct, frozen=True):
    """`answered_at`: time of the API server's last response outside of watches, None before the first.

    `unlisted` names the collections that the start waits for, `unserved` why no namespace is served; both empty if all
    is well.
    """

    liveness: WatchLiveness
    answered_at: float | None
    unlisted: str
    unserved: str

    def liveness_failure(self, now: float) -> str | None:
        """A watch is silent although the API server responds and kopf was restarted: a new process may do better."""
        api_is_available = self.answered_at is not None and now - self.answered_at < ANSWERED_S
        if api_is_available and self.liveness.is_unrecovered(now):
            return f"a watch has been silent for {self.liveness.silent_s(now):.0f} s, and the API server responds"
        return None

    def readiness_failure(self, now: float) -> str | None:
        if self.unlisted:
            return f"not listed yet: {self.unlisted}"
        if self.unserved:
            return f"no namespace is served: {self.unserved}"
        if self.liveness.is_late(now):
            return f"a watch has been silent for {self.liveness.silent_s(now):.0f} s"
        return None
