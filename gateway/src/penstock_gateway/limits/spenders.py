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
"""So many slices of each open answer are leased: the use of a slow stream would otherwise be less than two."""
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
        self.slice, self.streams_max = (1, 0) if budget else (SLICE, NEVER)

    def reset(self, *, budget: bool) -> None:
        """Take back what was planned: limits or prices have changed, or what is left is not known."""
        size, self.streams_max = (1, 0) if budget else (SLICE, NEVER)
        self.resize(size)

    def plan(self, money: MeterLease, streams: int) -> None:
        """Choose the slice by what is left after a synchronisation."""
        slice_ = SLICE * money.unit
        unspent = money.amount - money.used
        self.streams_max = min(money.left // (SLICES_LEFT * slice_), unspent // (SLICES_SAFE * slice_))
        self.resize(SLICE if streams <= self.streams_max else 1)

    def resize(self, size: int) -> None:
        if size != self.slice:
            self.slice = size
            for spender in list(self):
                spender.resize_slice()

    def exhaust(self, error: ErrorDetail) -> None:
        for spender in list(self):
            spender.exhaust(error)
