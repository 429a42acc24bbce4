"""What the probes say of an operator; pure. A reason why not, None if all is well."""

from typing import Final

from msgspec import Struct

from penstock_operator.kube.watch_liveness import Hearing

ANSWERED_S: Final = 10.0
"""An API server that answered within this is there; a leader asks it every two seconds."""


class Leader(Struct, frozen=True):
    """`answered_at`: when the API server last answered a call that is no watch, None for never.

    `unlisted` is what a beginning waits for, `unserved` why no namespace at all is served; both empty if all is well.
    """

    hearing: Hearing
    answered_at: float | None
    unlisted: str
    unserved: str

    def dead(self, now: float) -> str | None:
        """A watch is not heard, and neither the API server nor kopf is the reason: a new process may do better."""
        api_is_there = self.answered_at is not None and now - self.answered_at < ANSWERED_S
        if api_is_there and self.hearing.is_dead(now):
            return f"a watch has been silent for {self.hearing.silent_s(now):.0f} s, and the API server is there"
        return None

    def unready(self, now: float) -> str | None:
        if self.unlisted:
            return f"not listed yet: {self.unlisted}"
        if self.unserved:
            return f"no namespace is served: {self.unserved}"
        if self.hearing.is_late(now):
            return f"a watch has been silent for {self.hearing.silent_s(now):.0f} s"
        return None
