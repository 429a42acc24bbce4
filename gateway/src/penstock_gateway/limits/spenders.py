"""The streams that spend from a limit lease, and the slice: how many tokens each may collect before it spends them.

A slice is `SLICE` tokens where no budget applies. With a budget it is one token while the slices of all open streams
could be more than half of what is left of the lease, or more than a small part of what is left of the budget. So a
budget is exceeded by at most one piece of each stream.
"""

from typing import Final, Protocol

from penstock_contract.errors import ErrorDetail
from penstock_gateway.limits.meter_lease import NEVER, MeterLease

SLICE: Final = 16
SLICES_LEASED: Final = 3
"""At least so many slices of each open answer are leased: the recent use of slow streams is less than two."""
SLICES_SAFE: Final = 2
SLICES_LEFT: Final = 64


class Spender(Protocol):
    """A request that spends from a lease. It may collect up to `slice` tokens before it spends them."""

    def resize_slice(self) -> None:
        """Spend what was collected; `Spenders.slice` has changed."""
        ...

    def exhaust(self, error: ErrorDetail) -> None:
        """No money is left, or `broker_unavailable`: the rest is unknown."""
        ...


class Spenders(set[Spender]):
    """`slice` is in tokens; above `streams_max` open streams it has to be one. `budget` is True if money is limited."""

    def __init__(self, *, budget: bool) -> None:
        super().__init__()
        self.slice = 1
        self.reset(budget=budget)

    def reset(self, *, budget: bool) -> None:
        """Take back what was planned: limits or prices have changed, or what is left is not known."""
        size, self.streams_max = (1, 0) if budget else (SLICE, NEVER)
        self.resize(size)

    def plan(self, money: MeterLease, streams: int) -> None:
        """Choose the slice by what is left after a synchronisation."""
        unspent = money.amount - money.used
        self.streams_max = min(_far_for(money), unspent // (SLICES_SAFE * SLICE * money.unit))
        self.resize(SLICE if streams <= self.streams_max else 1)

    def least(self, money: MeterLease, streams: int) -> int:
        """The least lease for the slices of so many streams; near the end of the budget none is held back."""
        return SLICES_LEASED * SLICE * money.unit * streams if streams <= _far_for(money) else 0

    def resize(self, size: int) -> None:
        if size != self.slice:
            self.slice = size
            for spender in list(self):
                spender.resize_slice()

    def exhaust(self, error: ErrorDetail) -> None:
        for spender in list(self):
            spender.exhaust(error)


def _far_for(money: MeterLease) -> int:
    """The number of streams for which the end of the budget is far."""
    return money.left // (SLICES_LEFT * SLICE * money.unit)
