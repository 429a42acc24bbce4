"""What a gateway has of one meter of an account, and on which terms. Numbers only: no clock, no broker."""

from typing import Final

from msgspec import Struct

from penstock_contract.account import Claim, Granted, Quota

NEVER: Final = 2**62
RECHECK_S: Final = 0.1
"""For how long a refusal is repeated without asking again: others may give back what they did not use."""


class Terms(Struct, frozen=True):
    """Whose account it is, in words for a client, and its limits: `quotas` by meter, `places` by resource."""

    owner: str
    quotas: dict[str, Quota]
    places: dict[str, int]


class Pool:
    """One meter: of `lease`, `used` is spent; `remaining` was left for everybody when the lease was made.

    At `mark` something is to be done.
    """

    __slots__ = (
        "began_at",
        "ends_at",
        "last",
        "lease",
        "mark",
        "pace",
        "reckoned",
        "refused_until",
        "remaining",
        "said",
        "unit",
        "used",
    )

    def __init__(self) -> None:
        self.began_at = self.ends_at = 0.0
        self.lease = self.used = self.remaining = 0
        self.said = self.reckoned = 0
        self.pace = 0.0
        self.unit = 1
        """What the smallest piece of an answer uses."""
        self.mark = NEVER
        self.last = False
        """Whether nothing is left beyond the lease, so that the end of it is the end."""
        self.refused_until = 0.0

    def claim(self, want: int, least: int) -> Claim:
        """What is said now. Until the answer no more is spent than what that leaves us for sure."""
        self.lease = min(self.lease, self.used + want)
        return Claim(self.used, self.began_at, want, least)

    def apply(self, claimed: Claim, granted: Granted, now: float) -> None:
        """What came of it, at event-loop time `now`."""
        self.used -= claimed.used
        self.said += claimed.used
        self.lease, self.remaining = granted.amount, granted.remaining
        self.began_at, self.ends_at = granted.began_at, granted.ends_at
        self.refused_until = 0.0 if granted.remaining else now + RECHECK_S

    def reckon(self, elapsed_s: float) -> None:
        """Renew the pace, in units per second."""
        total = self.said + self.used
        self.pace = (self.pace + max(0, total - self.reckoned) / elapsed_s) / 2
        self.reckoned = total


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after_s = retry_after_s
