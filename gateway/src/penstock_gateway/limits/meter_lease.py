"""The lease of one meter in this gateway: requests, tokens or money. Numbers only: no clock, no broker."""

from typing import Final

from penstock_contract.limits.lease_record import MINUTE_S, SHARES, MeterClaim, MeterGrant, Quota

NEVER: Final = 2**62
RECHECK_S: Final = 0.1
"""A rejection is valid for this long without another synchronisation: other gateways may return unused amounts."""
USED_TIMES: Final = 2


class MeterLease:
    """One meter: `used` of `amount` is spent; `remaining` was left for all gateways when the lease was granted.

    The lease record has `leased` for this gateway; `amount` is less while a synchronisation is under way. When `used`
    exceeds `mark`, the limit lease acts.
    """

    __slots__ = (
        "amount",
        "began_at",
        "debt",
        "ends_at",
        "known_until",
        "last",
        "leased",
        "mark",
        "measured",
        "pace",
        "remaining",
        "reported",
        "unit",
        "used",
    )

    def __init__(self) -> None:
        self.began_at = self.ends_at = 0.0
        self.amount = self.leased = self.used = self.remaining = self.debt = 0
        self.reported = self.measured = 0
        self.pace = 0.0
        self.unit = 1
        """The use of the smallest piece of an answer."""
        self.mark = NEVER
        self.last = False
        """True if nothing is left beyond the lease, so that its end is the limit's end."""
        self.known_until = 0.0
        """Until then `remaining` is not read again."""

    @property
    def left(self) -> int:
        """The rest of the window beyond the leases of other gateways, as of the last synchronisation."""
        return self.remaining - self.used

    @property
    def recent(self) -> int:
        """The amount to lease after what was used since the last claim, also while nothing is open.

        So few requests wait for the broker. Near the end of a limit it would hold back what another gateway needs: it
        is at most a fortieth of what is left.
        """
        if self.used <= 0:
            return 0
        return max(0, min(USED_TIMES * self.used + self.unit, self.left // (2 * SHARES)))

    def lacks(self, need: int, now: float) -> bool:
        """True unless the lease has more than `need` at Unix time `now`: an answer needs more than its input.

        A correction downwards belongs to the lease record, not to the lease.
        """
        return self.amount <= need or self.amount - self.used <= need or now >= self.ends_at

    def free_at(self, quota: Quota) -> float | None:
        """Unix time at which something is available again; None for a budget without a period."""
        if quota.period == "Total":
            return None
        return self.ends_at + (MINUTE_S * (self._owed // quota.limit) if quota.period is None else 0.0)

    def whole_at(self, quota: Quota) -> float:
        """Unix time at which the whole limit is available again."""
        return self.ends_at + (MINUTE_S * -(-self._owed // quota.limit) if quota.period is None else 0.0)

    @property
    def _owed(self) -> int:
        return self.debt + max(0, self.used - self.remaining)

    def claim(self, want: int, least: int, inputs: tuple[int, ...] = ()) -> MeterClaim:
        """The claim to send now. Until the answer, no more is spent than the claim is certain to leave."""
        self.amount = min(self.amount, self.used + want)
        return MeterClaim(
            used=self.used, window=self.began_at, leased=self.leased, want=want, least=least, inputs=inputs
        )

    def apply(self, claimed: MeterClaim, granted: MeterGrant, now: float) -> None:
        """Take the answer to a claim, at event-loop time `now`."""
        self.used -= claimed.used
        self.reported += claimed.used
        self.amount = self.leased = granted.amount
        self.remaining, self.debt = granted.remaining, granted.debt
        self.began_at, self.ends_at = granted.began_at, granted.ends_at
        self.known_until = now + RECHECK_S

    def set_mark(self, ahead: int) -> None:
        """Place the mark before the end of the lease: the next synchronisation shows if that is the limit's end.

        `ahead` is the use during one synchronisation. A lease beyond which nothing is left is spent to its end.
        """
        left = self.amount - self.used
        final = self.remaining <= self.amount
        self.last = final and left <= ahead + self.unit
        if self.last:
            self.mark = self.amount - 1
        else:
            self.mark = self.used + left - max(ahead, 0 if final else left // 2)

    def measure(self, elapsed_s: float) -> None:
        """Update the pace, in units per second."""
        total = self.reported + self.used
        self.pace = (self.pace + max(0, total - self.measured) / elapsed_s) / 2
        self.measured = total


class LimitReached(Exception):  # noqa: N818 - an answer, not a fault
    """Part of the limit `what` is left if `some`, but not enough. `retry_after_s` is None where time does not help."""

    def __init__(self, what: str, retry_after_s: float | None, *, some: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after_s = retry_after_s
        self.some = some
