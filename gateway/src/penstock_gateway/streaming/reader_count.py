"""Counts the readers of a stream that may outlive its connection, and decides when it has been unread for too long.

Pure: times are event-loop times.
"""

from penstock_contract.stream.descriptor import DisconnectPolicy

ELSEWHERE_S = 2.0
"""A gateway with a reader requests the stream this often from the gateway that began it."""


class ReaderCount:
    """Of one stream, in the gateway that began it; a reader elsewhere counts for `ELSEWHERE_S` after its request."""

    __slots__ = ("_here", "_unread_since", "policy")

    def __init__(self, policy: DisconnectPolicy, now: float) -> None:
        self.policy = policy
        self._here = 0
        self._unread_since = now

    def opened(self) -> None:
        self._here += 1

    def closed(self, now: float) -> None:
        self._here -= 1
        self._unread_since = max(now, self._unread_since)

    def read_elsewhere(self, now: float) -> None:
        """Another gateway has a reader now."""
        self._unread_since = max(now + ELSEWHERE_S, self._unread_since)

    def expired(self, now: float) -> bool:
        """True if the stream has had no reader for its grace time."""
        grace_s = self.policy.grace_s
        return grace_s is not None and self._here == 0 and now - self._unread_since > grace_s
