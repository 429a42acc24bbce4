"""What a gateway has of one meter of an account. Numbers only: no clock, no broker."""

from typing import Final

from penstock_contract.limits.lease_record import MINUTE_S, MeterClaim, MeterGrant, Quota

NEVER: Final = 2**62
RECHECK_S: Final = 0.1
"""For how long one refuses without asking again: others may give back what they did not use."""


class Pool:
    """One meter: of `lease`, `used` is spent; `remaining` was left for everybody when the lease was made.

    The account has `leased` in our name; `lease` is less while an exchange is under way. At `mark` something is to be
    done.
    """

    __slots__ = (
        "began_at",
        "debt",
        "ends_at",
        "known_until",
        "last",
        "lease",
        "leased",
        "mark",
        "pace",
        "reckoned",
        "remaining",
        "said",
        "unit",
        "used",
    )

    def __init__(self) -> None:
        self.began_at = self.ends_at = 0.0
        self.lease = self.leased = self.used = self.remaining = self.debt = 0
        self.said = self.reckoned = 0
        self.pace = 0.0
        self.unit = 1
        """What the smallest piece of an answer uses."""
        self.mark = NEVER
        self.last = False
        """Whether nothing is left beyond the lease, so that the end of it is the end."""
        self.known_until = 0.0
        """Until then nobody asks again what is left for everybody."""

    @property
    def left(self) -> int:
        """Of the window, as far as this gateway knows, beyond what others have leased."""
        return self.remaining - self.used

    def holds(self, need: int) -> bool:
        """Whether the lease has more than `need`: of what is there to the last unit, nothing could be answered.

        A correction downwards is the account's, not the lease's.
        """
        return self.lease - max(0, self.used) > need

    def free_at(self, quota: Quota) -> float | None:
        """Unix time at which there is something again; None for never."""
        if quota.period == "Total":
            return None
        return self.ends_at + (MINUTE_S * (self._owed // quota.limit) if quota.period is None else 0.0)

    def whole_at(self, quota: Quota) -> float:
        """Unix time at which all of it is there again."""
        return self.ends_at + (MINUTE_S * -(-self._owed // quota.limit) if quota.period is None else 0.0)

    @property
    def _owed(self) -> int:
        return self.debt + max(0, self.used - self.remaining)

    def claim(self, want: int, least: int, inputs: tuple[int, ...] = ()) -> MeterClaim:
        """What is said now. Until the answer no more is spent than what that leaves us for sure."""
        self.lease = min(self.lease, self.used + want)
        return MeterClaim(
            used=self.used, window=self.began_at, leased=self.leased, want=want, least=least, inputs=inputs
        )

    def apply(self, claimed: MeterClaim, granted: MeterGrant, now: float) -> None:
        """What came of it, at event-loop time `now`."""
        self.used -= claimed.used
        self.said += claimed.used
        self.lease = self.leased = granted.amount
        self.remaining, self.debt = granted.remaining, granted.debt
        self.began_at, self.ends_at = granted.began_at, granted.ends_at
        self.known_until = now + RECHECK_S

    def reckon(self, elapsed_s: float) -> None:
        """Renew the pace, in units per second."""
        total = self.said + self.used
        self.pace = (self.pace + max(0, total - self.reckoned) / elapsed_s) / 2
        self.reckoned = total


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """`some` of it is left, but not enough for this request. `retry_after_s` is None where time does not help."""

    def __init__(self, what: str, retry_after_s: float | None, *, some: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after_s = retry_after_s
        self.some = some
