"""The shared record of the limits of one key or route: how much is used, leased and held, over all gateways.

One record in the KV store, changed by compare-and-set. A gateway leases a small part, spends it without a request to
the broker, and reports its use with its next claim. Pure: `merge_claims` computes the record after a claim.

- A window has a limit. Of it, something is used, something is leased to gateways, and the rest is available.
- A lease shrinks with what is available, so that near the end no gateway holds what another could use.
- A gateway that makes no claim for `LEASE_S` is lost. Its lease counts as used, as it may have been. If it was only
  slow, its next claim reports the use, and the rest is available again.
- Slots (open streams, positions in a queue) are held in a gateway's name. If it makes no claim for `SLOTS_HELD_S`, its
  streams have ended, and the slots are free.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct, field

MINUTE_S: Final = 60.0
LEASE_S: Final = 5.0
"""A few missed claims of a gateway."""
SLOTS_HELD_S: Final = 30.0
"""Longer than a stream can live while its gateway cannot reach the broker: that is noticed within 15 s, and 10 s later
it ends. With less, the first gateway to reconnect would take the slots of streams that the others still have."""
SHARES: Final = 20
FOREVER: Final = 253_402_300_800.0
"""The year 10000."""

Period = Literal["Day", "Week", "Month", "Total"]


class WindowLease(Struct, frozen=True, array_like=True):
    amount: int
    until: float


class LimitWindow(Struct, frozen=True, omit_defaults=True):
    """`used` since `began_at`; a debt, what was used beyond the limits of minutes before, is in it from the start."""

    began_at: float = 0.0
    ends_at: float = 0.0
    used: int = 0
    leases: dict[str, WindowLease] = {}


class HeldSlots(Struct, frozen=True, array_like=True):
    """Slots that one gateway holds, by name of the resource."""

    until: float
    held: dict[str, int]


class LeaseRecord(Struct, frozen=True, omit_defaults=True):
    """Windows by meter (`requests`, `tokens`, `money`), slots by gateway."""

    windows: dict[str, LimitWindow] = {}
    slots: dict[str, HeldSlots] = field(default_factory=dict, name="places")


class Quota(Struct, frozen=True):
    """The limit of one meter: in a minute that begins with its first use, or in a period of the calendar."""

    limit: int
    period: Period | None = None


class MeterClaim(Struct, frozen=True):
    """A gateway's claim for one meter: its use since the last claim, in the window of that time, and the amount
    that it requests.

    `leased` is the grant of the last claim. `least` is the smallest useful amount when little is left; `inputs` is what
    each waiting request needs beyond that, all of it or nothing.
    """

    used: int = 0
    window: float = 0.0
    leased: int = 0
    want: int = 0
    least: int = 1
    inputs: tuple[int, ...] = ()


class MeterGrant(Struct, frozen=True):
    """A gateway's lease, and what is left of the window for this gateway and those without a lease.

    `debt` is what the minutes after this one have to pay.
    """

    amount: int
    remaining: int
    began_at: float
    ends_at: float
    debt: int = 0


class LeaseClaim(Struct, frozen=True):
    """All claims of one gateway. `slots` are absolute: those it holds plus those it requests."""

    meters: dict[str, MeterClaim]
    slots: dict[str, int]


class LeaseGrant(Struct, frozen=True):
    """`free` counts the slots that no gateway holds now."""

    meters: dict[str, MeterGrant]
    slots: dict[str, int]
    free: dict[str, int]


def merge_claims(
    record: LeaseRecord, gateway: str, claims: LeaseClaim, quotas: dict[str, Quota], slots: dict[str, int], now: float
) -> tuple[LeaseRecord, LeaseGrant]:
    """The record after a gateway's claims, and the grants. `slots` are limits; `now` is in Unix seconds."""
    windows: dict[str, LimitWindow] = {}
    granted: dict[str, MeterGrant] = {}
    for meter, quota in quotas.items():
        claim = claims.meters.get(meter, MeterClaim())
        window = record.windows.get(meter, LimitWindow())
        windows[meter], granted[meter] = _merge_window(window, quota, claim, gateway, now)
    others = {name: held for name, held in record.slots.items() if name != gateway and held.until > now}
    got: dict[str, int] = {}
    free: dict[str, int] = {}
    for resource, requested in claims.slots.items():
        there = slots.get(resource, requested) - sum(held.held.get(resource, 0) for held in others.values())
        got[resource] = max(0, min(requested, there))
        free[resource] = max(0, there - got[resource])
    mine = {resource: count for resource, count in got.items() if count}
    held = {**others, gateway: HeldSlots(now + SLOTS_HELD_S, mine)} if mine else others
    return LeaseRecord(windows, held), LeaseGrant(granted, got, free)


def _merge_window(
    window: LimitWindow, quota: Quota, claim: MeterClaim, gateway: str, now: float
) -> tuple[LimitWindow, MeterGrant]:
    used = window.used
    if claim.window == window.began_at:
        # A lease that is no longer in the record has been counted as used, all of it.
        used += claim.used if gateway in window.leases else claim.used - claim.leased
    leases: dict[str, WindowLease] = {}
    kept = 0
    for name, lease in window.leases.items():
        if name == gateway:
            # The gateway may spend this while its claim is under way.
            kept = max(0, lease.amount - claim.used)
        elif lease.until > now:
            leases[name] = lease
        else:
            used += lease.amount
    began_at, ends_at = window.began_at, window.ends_at
    fresh = _fresh(window, quota, now)
    if fresh is not None:
        (began_at, ends_at), leases, kept = fresh, {}, 0
        used = _debt(window, used, quota, now)
        if used and now >= window.ends_at:
            # Minutes that pay a debt follow each other; otherwise a late claim would postpone the end of the debt.
            began_at = now - (now - window.ends_at) % MINUTE_S
            ends_at = began_at + MINUTE_S
    # A correction of what was charged in a window before this one is no credit in this one.
    used = max(0, used)
    available = max(0, quota.limit - used - sum(lease.amount for lease in leases.values()))
    share = min(quota.limit // (SHARES * max(2, len(leases) + 1)), available // 4)
    amount = min(claim.want, available, max(claim.least + _fitting(claim.inputs, available), share, kept))
    if amount:
        leases[gateway] = WindowLease(amount, now + LEASE_S)
    settled = LimitWindow(began_at, ends_at, used, leases)
    debt = max(0, used - quota.limit) if quota.period is None else 0
    return settled, MeterGrant(amount, available, began_at, ends_at, debt)


def _fitting(inputs: Iterable[int], available: int) -> int:
    """The sum of the inputs that fit: a lease for an input that does not fit would be of no use."""
    total = 0
    for one in sorted(inputs):
        if total + one >= available:
            break
        total += one
    return total


def _debt(window: LimitWindow, used: int, quota: Quota, now: float) -> int:
    """The debt of an ended window: each minute since its begin pays one limit; a period cancels it."""
    if quota.period is not None or not window.ends_at:
        return 0
    minutes = 1 + int(max(0.0, now - window.ends_at) // MINUTE_S)
    return max(0, used - minutes * quota.limit)


def _fresh(window: LimitWindow, quota: Quota, now: float) -> tuple[float, float] | None:
    """Begin and end of the window of `now`, or None if it is the given one."""
    if quota.period is not None:
        current = period(quota.period, now)
        return None if current == (window.began_at, window.ends_at) else current
    return (now, now + MINUTE_S) if now >= window.ends_at or window.ends_at > now + MINUTE_S else None


def period(kind: Period, now: float) -> tuple[float, float]:
    """The period of the calendar, in UTC, that `now` lies in; weeks begin on Monday."""
    if kind == "Total":
        return 0.0, FOREVER
    today = dt.datetime.fromtimestamp(now, dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "Day":
        return today.timestamp(), (today + dt.timedelta(days=1)).timestamp()
    if kind == "Week":
        monday = today - dt.timedelta(days=today.weekday())
        return monday.timestamp(), (monday + dt.timedelta(days=7)).timestamp()
    first = today.replace(day=1)
    following = (first + dt.timedelta(days=32)).replace(day=1)
    return first.timestamp(), following.timestamp()
