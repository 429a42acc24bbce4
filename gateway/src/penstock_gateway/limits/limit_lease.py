"""This gateway's lease of one owner's limits: spends what it leased without a broker request, and renews in time.

`admit`: if the lease lacks something, one synchronisation, shared with other waiting requests, decides. The input is
spent at once, because the next request is admitted before a provider has counted this one.
`spend`: integers, per slice of tokens, and per token near the end of a budget. When half of the money is spent, more is
leased; when all is spent, `Spenders.exhaust` ends the streams.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.limits.lease_record import LeaseClaim, LeaseGrant
from penstock_gateway.limits.concurrency_slots import QUEUE, ConcurrencySlots
from penstock_gateway.limits.lease_sync import LeaseRecords, LeaseSync
from penstock_gateway.limits.limit_spec import LimitSpec, UpfrontUse
from penstock_gateway.limits.meter_lease import NEVER, LimitReached, MeterLease
from penstock_gateway.limits.rate_limit_headers import Remaining
from penstock_gateway.limits.spenders import Spenders
from penstock_runtime.clock import Clock

SYNC_S = 1.0
"""The interval of synchronisations while something is used."""
RELEASE_S = 0.02
"""A slot that came free is returned after this time, unless another request of this gateway takes it. While many are
free, after `SYNC_S`: a busy key then does not need a broker request for each request."""
MEASURE_S = 0.1
LEAD_S = 0.05
LEAD_SYNCS = 3
"""More is leased this long before the end of a lease: longer than recent synchronisations took."""
LEAST_S = 0.1
PIECES = 4
"""The smallest useful lease: this long at the recent pace, or so many pieces of each open answer."""
AHEAD_S = 1.5
"""The duration of a lease at the recent pace."""


class LimitLease:
    def __init__(
        self,
        name: str,
        spec: LimitSpec,
        store: LeaseRecords,
        clock: Clock,
        *,
        gateway: str,
        draw: Callable[[], float],
        admit_unknown: bool = False,
    ) -> None:
        self.spec = spec
        self.requests = MeterLease()
        self.tokens = MeterLease()
        self.money = MeterLease()
        self.open = 0
        """Admissions that may still spend."""
        self.spenders = Spenders(budget="money" in spec.quotas)
        self._meters = {"requests": self.requests, "tokens": self.tokens, "money": self.money}
        self._slots = ConcurrencySlots()
        self._waiting = 0
        self._inputs: list[int] = []
        """The money for the input of each waiting request."""
        self._clock = clock
        self._admit_unknown = admit_unknown
        self._loop = asyncio.get_running_loop()
        self.idle_since = self._measured_at = self._loop.time()
        self._sync = LeaseSync(name, self, store, clock, gateway=gateway, draw=draw)
        self._release: asyncio.TimerHandle | None = None

    def change(self, spec: LimitSpec) -> None:
        """Apply new limits from now on; shares of other routes' queues stay."""
        queues = {name: limit for name, limit in self.spec.slots.items() if name.startswith(QUEUE)}
        changed = LimitSpec(spec.owner, spec.quotas, {**queues, **spec.slots})
        if changed == self.spec:
            return
        if changed.quotas != self.spec.quotas:
            for meter in self._meters.values():
                meter.amount, meter.known_until = min(meter.amount, meter.used), 0.0
        self.spec = changed
        self.spenders.reset(budget="money" in changed.quotas)
        self._slots.clear_rejections()

    async def admit(self, slots: Sequence[str], upfront: UpfrontUse) -> None:
        """Take one request, its slots, and its upfront use.

        Raises `LimitReached`, or `broker_unavailable`. Return the slots with `release`, and everything with `undo` if
        the request is not made. The upfront use is corrected like all that is spent.
        """
        if upfront.unit > self.money.unit:
            self.money.unit = upfront.unit
            self.spenders.reset(budget="money" in self.spec.quotas)
        if self._lacking(slots, upfront) is not None:
            await self._wait(slots, upfront)
        self.requests.used += 1
        self._slots.take(slots)
        self.open += 1
        if self.open > self.spenders.streams_max:
            self.spenders.resize(1)
        self.spend(upfront.tokens, upfront.money)

    async def _wait(self, slots: Sequence[str], upfront: UpfrontUse) -> None:
        self._waiting += 1
        self._inputs.append(upfront.money)
        self._slots.wait(slots)
        try:
            synchronised = False
            while (lacking := self._lacking(slots, upfront)) is not None:
                rejected = self._rejected if synchronised else self._rejected_before
                if rejected(lacking, upfront):
                    raise self._limit_reached(lacking, upfront)
                try:
                    await self._sync.wait()
                except PenstockError:
                    if not self._admit_unknown:
                        raise
                    break
                synchronised = True
        finally:
            self._waiting -= 1
            self._inputs.remove(upfront.money)
            self._slots.stop_waiting(slots)
            self.idle_since = self._loop.time()

    def undo(self, slots: Sequence[str], upfront: UpfrontUse) -> None:
        self.requests.used -= 1
        self.spend(-upfront.tokens, -upfront.money)
        self.release(slots)

    def release(self, slots: Sequence[str]) -> None:
        self.open -= 1
        self.free(slots)
        self.idle_since = self._loop.time()

    def free(self, slots: Sequence[str]) -> None:
        """Return slots before the rest."""
        self._slots.free(slots)
        if slots and self._release is None and self._slots.scarce(slots, self.spec.slots):
            self._release = self._loop.call_later(RELEASE_S, self._on_release)

    def spend(self, tokens: int, money: int) -> None:
        """Integer additions only. Negative amounts correct an estimate."""
        self.tokens.used += tokens
        meter = self.money
        meter.used += money
        if meter.used > meter.mark:
            self._on_mark()

    def remaining(self, meter: str) -> Remaining | None:
        """The numbers of the rate-limit headers; None without a limit."""
        quota, lease = self.spec.quotas.get(meter), self._meters[meter]
        if quota is None:
            return None
        left = min(quota.limit, max(0, lease.remaining - lease.used))
        return quota.limit, left, max(0.0, lease.whole_at(quota) - self._clock.unix())

    def tick(self, now: float) -> None:
        """Report use, renew what is held, return what is not needed; `now` is event-loop time."""
        elapsed_s = now - self._measured_at
        if elapsed_s >= MEASURE_S:
            self._measured_at = now
            for meter in self.spec.quotas:
                self._meters[meter].measure(elapsed_s)
        if any(self._runs_low(self._meters[meter]) for meter in self.spec.quotas if meter != "money"):
            self._sync.request()
        if now - self._sync.at >= SYNC_S and (self._dirty() or self.open):
            self._sync.request()

    @property
    def at_rest(self) -> bool:
        """True if this object holds nothing that must be kept."""
        return not (self.open or self._waiting or self._dirty())

    async def close(self) -> None:
        """Report the last use and return everything, if the broker is available."""
        if self._release is not None:
            self._release.cancel()
        with contextlib.suppress(PenstockError):
            await self._sync.wait()

    def _lacking(self, slots: Sequence[str], upfront: UpfrontUse) -> str | None:
        now = self._clock.unix()
        for meter in self.spec.quotas:
            if meter == "money" and not upfront.unit:
                continue
            lease = self._meters[meter]
            if lease.lacks(upfront.money if meter == "money" else 0, now):
                return meter
        return self._slots.lacking(slots)

    def _rejected(self, lacking: str, upfront: UpfrontUse) -> bool:
        """True if the synchronisation just made left too little."""
        if lacking in self._meters:
            lease = self._meters[lacking]
            return lease.amount == 0 or lease.left <= upfront.of(lacking)
        return self._slots.rejected(lacking)

    def _rejected_before(self, lacking: str, upfront: UpfrontUse) -> bool:
        now = self._loop.time()
        if lacking in self._meters:
            lease = self._meters[lacking]
            known = now < lease.known_until and self._clock.unix() < lease.ends_at
            return known and lease.left <= upfront.of(lacking)
        return self._slots.rejected(lacking, now)

    def _limit_reached(self, lacking: str, upfront: UpfrontUse) -> LimitReached:
        if lacking not in self._meters:
            return LimitReached(lacking, 1.0)
        lease, quota = self._meters[lacking], self.spec.quotas[lacking]
        free_at = lease.free_at(quota) if upfront.of(lacking) < quota.limit else None
        retry_after_s = None if free_at is None else max(0.0, free_at - self._clock.unix())
        return LimitReached(lacking, retry_after_s, some=lease.left > 0)

    def _runs_low(self, lease: MeterLease) -> bool:
        """True if the next request would wait for the broker, or a debt must be written for the other gateways."""
        if lease.used > lease.amount:
            return True
        return self.open > 0 and 3 * (lease.amount - lease.used) < lease.amount < lease.remaining

    def _dirty(self) -> bool:
        return self._slots.held or any(self._meters[one].used or self._meters[one].amount for one in self.spec.quotas)

    def _on_release(self) -> None:
        self._release = None
        if self._slots.idle(self.spec.slots):
            self._sync.request()

    def claims(self) -> LeaseClaim:
        """The claims of this moment. Until the answer, no more is spent or taken than they are certain to leave."""
        claims = {}
        busy = self.open + self._waiting
        for meter in self.spec.quotas:
            lease = self._meters[meter]
            if meter == "requests":
                # Spent by arriving requests; the other meters by open answers.
                least = want = self._waiting
            else:
                least = want = max(busy * lease.unit * PIECES, int(lease.pace * LEAST_S)) if busy else 0
            recent = lease.recent
            inputs = tuple(self._inputs) if meter == "money" else ()
            want += sum(inputs) + max(int(lease.pace * AHEAD_S), recent)
            if meter == "money":
                want = max(want, self.spenders.least(lease, busy))
            claims[meter] = lease.claim(want if busy or recent else 0, least, inputs)
        return LeaseClaim(claims, self._slots.claim(self.spec.slots))

    def apply(self, claims: LeaseClaim, grants: LeaseGrant) -> None:
        now = self._loop.time()
        for meter, granted in grants.meters.items():
            self._meters[meter].apply(claims.meters[meter], granted, now)
        self._slots.apply(grants.slots, grants.free, now)
        if "money" in self.spec.quotas and (self.open or self._waiting):
            self._plan_money()

    def on_unknown(self, error: ErrorDetail) -> None:
        """The leased money may be spent; after that the streams end, unless the settings admit without limits."""
        if "money" not in self.spec.quotas:
            return
        self.spenders.reset(budget=True)
        if self.money.used < self.money.amount:
            self.money.mark, self.money.last = self.money.amount - 1, False
        elif self.open and not self._admit_unknown:
            self.spenders.exhaust(error)

    def _plan_money(self) -> None:
        """Choose the slice, and the moment of the next synchronisation: before the lease is spent."""
        lease = self.money
        lease.mark = NEVER
        self.spenders.plan(lease, self.open)
        lease.set_mark(int(lease.pace * max(LEAD_S, LEAD_SYNCS * self._sync.took_s)))
        if lease.used > lease.mark:
            self._on_mark()

    def _on_mark(self) -> None:
        self.money.mark = NEVER
        if self.money.last:
            self.spenders.exhaust(ErrorDetail("budget_exhausted", f"the budget of {self.spec.owner} is used up"))
        else:
            self._sync.request()
