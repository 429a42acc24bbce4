"""This gateway's part of one account: spends what it has leased without asking anybody, and asks for more in time.

admit → is there enough here, for money: more than the input costs? If not, one exchange with the broker, with whoever
else waits; then yes or no. The input is spent at once, as the next one asks before a provider has counted it.
spend → integers, per slice of tokens, and per token near the end of a budget. When half of the money is gone more
is asked for; when all is gone the streams end.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.limits.lease_record import LeaseClaim, LeaseGrant
from penstock_gateway.limits.concurrency_slots import QUEUE, Places
from penstock_gateway.limits.lease_sync import Accounts, Exchange
from penstock_gateway.limits.limit_spec import Terms, Upfront
from penstock_gateway.limits.meter_lease import NEVER, Pool, Refused
from penstock_runtime.clock import Clock

EXCHANGE_S = 1.0
"""How often a gateway says what it used, while something is."""
RELEASE_S = 0.02
"""A place that came free is given back after this long, unless somebody here takes it; where many are left for others,
after `EXCHANGE_S`, so that a busy key does not ask for each request."""
RECKON_S = 0.1
LEAD_S = 0.05
LEAD_EXCHANGES = 3
"""How long before the end of a lease more is asked for: longer than exchanges take of late."""
LEAST_S = 0.1
PIECES = 4
"""The smallest lease that is of use: for so long at the pace of late, or so many pieces of each open answer."""
AHEAD_S = 1.5
"""A lease is for this long, at the pace of late."""
SLICE = 16
SLICES_LEFT = 64
"""Tokens are said one by one when fewer slices than this are left for each open answer."""


class Spender(Protocol):
    """Who spends here: it may collect up to `slice` tokens before it says so."""

    def recut(self) -> None:
        """Say what was collected; `slice` is another one now."""
        ...


class Till:
    """`on_empty` is called when money is gone, or with `broker_unavailable` when nobody can say whether it is."""

    def __init__(
        self,
        name: str,
        terms: Terms,
        accounts: Accounts,
        clock: Clock,
        *,
        gateway: str,
        on_empty: Callable[["Till", ErrorDetail], None],
        draw: Callable[[], float],
        admit_unknown: bool = False,
    ) -> None:
        self.terms = terms
        self.requests = Pool()
        self.tokens = Pool()
        self.money = Pool()
        self.open = 0
        """Admissions that may still spend."""
        self.spenders: set[Spender] = set()
        self.slice = 1 if "money" in terms.quotas else SLICE
        self.idle_since = asyncio.get_running_loop().time()
        self._pools = {"requests": self.requests, "tokens": self.tokens, "money": self.money}
        self._places = Places()
        self._waiting = 0
        self._inputs: list[int] = []
        """Money that those who wait need for their input."""
        self._clock = clock
        self._on_empty = on_empty
        self._admit_unknown = admit_unknown
        self._loop = asyncio.get_running_loop()
        self._reckoned_at = self._loop.time()
        self._exchange = Exchange(name, self, accounts, clock, gateway=gateway, draw=draw)
        self._release: asyncio.TimerHandle | None = None

    def change(self, terms: Terms) -> None:
        """New limits, from now on; shares of other routes' queues stay."""
        places = {name: limit for name, limit in self.terms.places.items() if name.startswith(QUEUE)}
        changed = Terms(terms.owner, terms.quotas, {**places, **terms.places})
        if changed == self.terms:
            return
        if changed.quotas != self.terms.quotas:
            for pool in self._pools.values():
                pool.lease, pool.known_until = min(pool.lease, pool.used), 0.0
        self.terms = changed
        self.slice = 1 if "money" in changed.quotas else SLICE
        for spender in list(self.spenders):
            spender.recut()
        self._places.forget_refusals()

    # Admission

    async def admit(self, places: Sequence[str], upfront: Upfront) -> None:
        """Take one request, the places, and what it uses for certain.

        Raises `Refused`, or `broker_unavailable`. Places are given back by `leave`, and everything by `undo` if the
        request never came to be. What was spent upfront is corrected like all that is spent.
        """
        self.money.unit = max(self.money.unit, upfront.unit)
        self._waiting += 1
        self._inputs.append(upfront.money)
        self._places.wait(places)
        try:
            asked = False
            while (lacking := self._lacking(places, upfront)) is not None:
                if self._refuses(lacking, upfront) if asked else self._refused_before(lacking, upfront):
                    raise self._refusal(lacking, upfront)
                try:
                    await self._exchange.made()
                except PenstockError:
                    if not self._admit_unknown:
                        raise
                    break
                asked = True
            self.requests.used += 1
            self._places.take(places)
            self.open += 1
            self.spend(upfront.tokens, upfront.money)
        finally:
            self._waiting -= 1
            self._inputs.remove(upfront.money)
            self._places.wait_no_more(places)
            self.idle_since = self._loop.time()

    def undo(self, places: Sequence[str], upfront: Upfront) -> None:
        self.requests.used -= 1
        self.spend(-upfront.tokens, -upfront.money)
        self.leave(places)

    def leave(self, places: Sequence[str]) -> None:
        self.open -= 1
        self.vacate(places)
        self.idle_since = self._loop.time()

    def vacate(self, places: Sequence[str]) -> None:
        """Give places back before the rest."""
        self._places.vacate(places)
        if places and self._release is None and self._places.scarce(places, self.terms.places):
            self._release = self._loop.call_later(RELEASE_S, self._on_release)

    # Spending

    def spend(self, tokens: int, money: int) -> None:
        """Nothing but integers. Negative amounts correct an estimate."""
        self.tokens.used += tokens
        pool = self.money
        pool.used += money
        if pool.used > pool.mark:
            self._on_mark()

    # Time

    def tick(self, now: float) -> None:
        """Say what was used, keep alive what is held, give back what nobody needs; `now` is event-loop time."""
        elapsed_s = now - self._reckoned_at
        if elapsed_s >= RECKON_S:
            self._reckoned_at = now
            for meter in self.terms.quotas:
                self._pools[meter].reckon(elapsed_s)
        if any(self._runs_low(self._pools[meter]) for meter in self.terms.quotas if meter != "money"):
            self._exchange.soon()
        if now - self._exchange.at >= EXCHANGE_S and (self._dirty() or self.open):
            self._exchange.soon()

    @property
    def at_rest(self) -> bool:
        """Whether nothing here is worth keeping."""
        return not (self.open or self._waiting or self._dirty())

    async def close(self) -> None:
        """Say the last and give everything back, as far as the broker is there."""
        if self._release is not None:
            self._release.cancel()
        try:
            await self._exchange.made()
        except PenstockError:
            return

    # What is left, in words for a client

    def left(self, meter: str) -> tuple[int, int, float] | None:
        """Limit, what remains of it, and seconds until it is whole again; None without a limit."""
        quota, pool = self.terms.quotas.get(meter), self._pools[meter]
        if quota is None:
            return None
        remaining = min(quota.limit, max(0, pool.remaining - pool.used))
        return quota.limit, remaining, max(0.0, pool.whole_at(quota) - self._clock.unix())

    # Inside

    def _lacking(self, places: Sequence[str], upfront: Upfront) -> str | None:
        now = self._clock.unix()
        for meter in self.terms.quotas:
            if meter == "money" and not upfront.unit:
                continue
            pool = self._pools[meter]
            if now >= pool.ends_at or not pool.holds(upfront.of(meter)):
                return meter
        return self._places.lacking(places)

    def _refuses(self, lacking: str, upfront: Upfront) -> bool:
        """Whether the exchange just made left too little of it."""
        if lacking in self._pools:
            pool = self._pools[lacking]
            return pool.lease == 0 or pool.left <= upfront.of(lacking)
        return self._places.refused(lacking)

    def _refused_before(self, lacking: str, upfront: Upfront) -> bool:
        now = self._loop.time()
        if lacking in self._pools:
            pool = self._pools[lacking]
            known = now < pool.known_until and self._clock.unix() < pool.ends_at
            return known and pool.left <= upfront.of(lacking)
        return self._places.refused(lacking, now)

    def _refusal(self, lacking: str, upfront: Upfront) -> Refused:
        if lacking not in self._pools:
            return Refused(lacking, 1.0)
        pool, quota = self._pools[lacking], self.terms.quotas[lacking]
        free_at = pool.free_at(quota) if upfront.of(lacking) < quota.limit else None
        retry_after_s = None if free_at is None else max(0.0, free_at - self._clock.unix())
        return Refused(lacking, retry_after_s, some=pool.left > 0)

    def _runs_low(self, pool: Pool) -> bool:
        """Whether the next request would have to wait for the broker, or others should know of a debt."""
        if pool.used > pool.lease:
            return True
        return self.open > 0 and 3 * (pool.lease - pool.used) < pool.lease < pool.remaining

    def _dirty(self) -> bool:
        metered = any(self._pools[meter].used or self._pools[meter].lease for meter in self.terms.quotas)
        return metered or self._places.held

    def _on_release(self) -> None:
        self._release = None
        if self._places.idle(self.terms.places):
            self._exchange.soon()

    def claims(self) -> LeaseClaim:
        """What is said now. While it is under way no more is spent or taken than what it leaves us for sure."""
        meters = {}
        busy = self.open + self._waiting
        for meter in self.terms.quotas:
            pool = self._pools[meter]
            if meter == "requests":
                # Spent by who comes in; the others by whatever is open.
                least, want = max(1, self._waiting), self._waiting
            else:
                least = want = max(1, busy * pool.unit * PIECES, int(pool.pace * LEAST_S))
            inputs = tuple(self._inputs) if meter == "money" else ()
            want += sum(inputs) + int(pool.pace * AHEAD_S)
            meters[meter] = pool.claim(want if busy else 0, least, inputs)
        return LeaseClaim(meters, self._places.claim(self.terms.places))

    def apply(self, claims: LeaseClaim, grants: LeaseGrant) -> None:
        now = self._loop.time()
        for meter, granted in grants.meters.items():
            self._pools[meter].apply(claims.meters[meter], granted, now)
        self._places.apply(grants.slots, grants.free, now)
        if "money" in self.terms.quotas and (self.open or self._waiting):
            self._look_at_money()

    def _look_at_money(self) -> None:
        """Ask again before the lease is spent, so that its end is known to be the end when it comes."""
        pool = self.money
        pool.mark = NEVER
        left = pool.lease - pool.used
        cut = SLICE * pool.unit * max(1, self.open)
        slice_ = SLICE if pool.remaining - pool.used > SLICES_LEFT * cut and left > 2 * cut else 1
        if slice_ != self.slice:
            self.slice = slice_
            for spender in list(self.spenders):
                spender.recut()
            left = pool.lease - pool.used
        ahead = int(pool.pace * max(LEAD_S, LEAD_EXCHANGES * self._exchange.took_s))
        final = pool.remaining <= pool.lease
        pool.last = final and left <= ahead + pool.unit
        if pool.last:
            pool.mark = pool.lease - 1
        else:
            pool.mark = pool.used + left - max(ahead, 0 if final else left // 2)
        if pool.used > pool.mark:
            self._on_mark()

    def _on_mark(self) -> None:
        pool = self.money
        pool.mark = NEVER
        if pool.last:
            self._on_empty(self, ErrorDetail("budget_exhausted", f"the budget of {self.terms.owner} is used up"))
        else:
            self._exchange.soon()

    def unknown(self, error: ErrorDetail) -> None:
        """What was leased may be spent; after that only if the settings say so."""
        if "money" not in self.terms.quotas:
            return
        if self.money.used < self.money.lease:
            self.money.mark, self.money.last = self.money.lease - 1, False
        elif self.open and not self._admit_unknown:
            self._on_empty(self, error)
