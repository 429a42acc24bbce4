"""Claims on an account: never more than the limit is granted, and no part of it is lost."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from penstock_contract.limits.lease_record import (
    LEASE_S,
    MINUTE_S,
    SLOTS_HELD_S,
    LeaseClaim,
    LeaseRecord,
    LimitWindow,
    MeterClaim,
    MeterGrant,
    Period,
    Quota,
    WindowLease,
    merge_claims,
    period,
)

NOW = 1_700_000_000.0
LIMIT = 1000
QUOTA = Quota(LIMIT)
TOTAL = Quota(LIMIT, "Total")


def claim(
    account: LeaseRecord, gateway: str, now: float = NOW, quota: Quota = QUOTA, **fields: int
) -> tuple[LeaseRecord, MeterGrant]:
    """`fields` are those of `MeterClaim`; its use belongs to the account's window."""
    began_at = account.windows.get("tokens", LimitWindow()).began_at
    claims = LeaseClaim({"tokens": MeterClaim(**{"window": began_at, **fields})}, {})
    settled, grants = merge_claims(account, gateway, claims, {"tokens": quota}, {}, now)
    return settled, grants.meters["tokens"]


def test_lease_record_window_begins_with_the_first_claim_and_ends_a_minute_later() -> None:
    account, granted = claim(LeaseRecord(), "a", want=10)
    assert (granted.amount, granted.remaining, granted.began_at, granted.ends_at) == (10, LIMIT, NOW, NOW + MINUTE_S)
    assert account.windows["tokens"].leases == {"a": WindowLease(10, NOW + LEASE_S)}


def test_lease_record_grants_a_small_part_of_a_limit_and_less_when_little_is_left() -> None:
    account, granted = claim(LeaseRecord(), "a", want=LIMIT)
    assert granted.amount == LIMIT // 40
    account, granted = claim(account, "b", used=980 - granted.amount, want=LIMIT)
    assert granted.amount == (LIMIT - 980) // 4
    _, granted = claim(account, "c", want=LIMIT, least=8)
    assert granted.amount == 8


def test_lease_record_grants_the_last_part_and_then_nothing() -> None:
    account, _ = claim(LeaseRecord(), "a", want=1)
    account, _ = claim(account, "a", used=LIMIT - 1, want=0)
    account, granted = claim(account, "a", want=5)
    assert granted.amount == 1
    _, granted = claim(account, "b", want=5)
    assert (granted.amount, granted.remaining) == (0, 0)


def test_lease_record_reserves_what_a_gateway_may_spend_during_its_claim() -> None:
    account, granted = claim(LeaseRecord(), "a", want=25)
    account, _ = claim(account, "b", used=930, want=0)
    account, again = claim(account, "a", used=5, want=25)
    assert granted.amount == 25
    assert again.amount == 20, "a quarter of what is available would be 16"


@pytest.mark.parametrize(
    ("inputs", "amount"),
    [((), 25), ((300,), 301), ((300, 300), 601), ((1000,), 25), ((300, 999, 300), 601), ((999,), 1000)],
)
def test_lease_record_grants_a_waiting_input_its_need_if_available(inputs: tuple[int, ...], amount: int) -> None:
    claims = LeaseClaim({"tokens": MeterClaim(want=5 * LIMIT, least=1, inputs=inputs)}, {})
    _, grants = merge_claims(LeaseRecord(), "a", claims, {"tokens": QUOTA}, {}, NOW)
    assert grants.meters["tokens"].amount == amount


def test_lease_record_accepts_the_return_of_an_unused_lease() -> None:
    account, _ = claim(LeaseRecord(), "a", want=25)
    account, granted = claim(account, "a", used=3, want=0)
    assert (granted.amount, granted.remaining) == (0, LIMIT - 3)
    assert not account.windows["tokens"].leases


def test_lease_record_counts_the_lease_of_a_crashed_gateway_as_used() -> None:
    account, granted = claim(LeaseRecord(), "a", want=25)
    account, _ = claim(account, "b", NOW + LEASE_S + 1, want=0)
    assert account.windows["tokens"].used == granted.amount
    assert not account.windows["tokens"].leases


@pytest.mark.parametrize("quota", [QUOTA, TOTAL], ids=["minute", "total"])
def test_lease_record_counts_the_use_of_a_slow_gateway_once(quota: Quota) -> None:
    account, granted = claim(LeaseRecord(), "a", quota=quota, want=25)
    account, _ = claim(account, "b", NOW + LEASE_S + 1, quota=quota, want=1)
    account, again = claim(account, "a", NOW + LEASE_S + 2, quota=quota, used=10, leased=granted.amount, want=25)
    assert account.windows["tokens"].used == 10
    assert again.remaining == LIMIT - 10 - 1
    account, _ = claim(account, "a", NOW + LEASE_S + 2, quota=quota, used=3, leased=again.amount, want=0)
    assert account.windows["tokens"].used == 13


def test_lease_record_counts_the_use_of_a_slow_gateway_beyond_its_lease() -> None:
    account, granted = claim(LeaseRecord(), "a", want=25)
    account, _ = claim(account, "b", NOW + LEASE_S + 1, want=0)
    account, _ = claim(account, "a", NOW + LEASE_S + 2, used=40, leased=granted.amount, want=0)
    assert account.windows["tokens"].used == 40


def test_lease_record_charges_a_debt_to_the_next_minute() -> None:
    account, _ = claim(LeaseRecord(), "a", want=1)
    account, _ = claim(account, "a", used=LIMIT + 300, want=0)
    _, granted = claim(account, "a", NOW + MINUTE_S, want=1)
    assert granted.remaining == LIMIT - 300


@pytest.mark.parametrize(
    ("after_s", "remaining"), [(1, 0), (60, 0), (119, 0), (120, 500), (179, 500), (180, LIMIT), (86_400, LIMIT)]
)
def test_lease_record_pays_a_debt_with_every_minute_without_claims(after_s: float, remaining: int) -> None:
    account, _ = claim(LeaseRecord(), "a", want=1)
    account, _ = claim(account, "a", used=2 * LIMIT + 500, want=0)
    _, granted = claim(account, "a", NOW + after_s, want=1)
    assert granted.remaining == remaining


def test_lease_record_does_not_postpone_the_end_of_a_debt_at_repeated_claims() -> None:
    account, _ = claim(LeaseRecord(), "a", want=1)
    account, granted = claim(account, "a", used=60 * LIMIT, want=0)
    assert granted.debt == 59 * LIMIT
    for second in range(0, 60 * 60 + 1, 7):
        account, granted = claim(account, "b", NOW + second, want=1)
        assert granted.ends_at + MINUTE_S * (granted.debt // LIMIT) == NOW + 60 * 60 or second >= 60 * 60 - 7
        assert (granted.amount > 0) == (second >= 60 * 60), second
        account, _ = claim(account, "b", NOW + second, want=0)


def test_lease_record_does_not_charge_the_use_of_a_past_minute_to_the_next() -> None:
    account, granted = claim(LeaseRecord(), "a", want=5)
    account, _ = claim(account, "b", NOW + MINUTE_S, want=1)
    claims = LeaseClaim({"tokens": MeterClaim(used=5, window=granted.began_at, want=1)}, {})
    settled, _ = merge_claims(account, "a", claims, {"tokens": Quota(LIMIT)}, {}, NOW + MINUTE_S)
    assert settled.windows["tokens"].used == 0


def test_lease_record_closes_a_window_of_a_clock_that_was_far_ahead() -> None:
    account, _ = claim(LeaseRecord(), "a", NOW + 1_000_000, used=0, want=LIMIT)
    account, _ = claim(account, "a", NOW + 1_000_000, used=LIMIT, want=0)
    _, granted = claim(account, "b", NOW, want=1)
    assert granted.amount == 1


def test_lease_record_clears_the_debt_of_a_budget_with_its_period() -> None:
    quota = Quota(LIMIT, "Day")
    account, _ = claim(LeaseRecord(), "a", quota=quota, want=1)
    account, _ = claim(account, "a", quota=quota, used=LIMIT + 300, want=0)
    _, granted = claim(account, "a", NOW + 86_400, quota=quota, want=1)
    assert granted.remaining == LIMIT


DAY = dt.datetime(2026, 11, 22, 17, 5, 1, tzinfo=dt.UTC)  # a Sunday


@pytest.mark.parametrize(
    ("kind", "begins", "ends"),
    [
        ("Day", (2026, 11, 22), (2026, 11, 23)),
        ("Week", (2026, 11, 16), (2026, 11, 23)),
        ("Month", (2026, 11, 1), (2026, 12, 1)),
    ],
)
def test_lease_record_period_is_a_calendar_period(
    kind: Period, begins: tuple[int, int, int], ends: tuple[int, int, int]
) -> None:
    expected = tuple(dt.datetime(*day, tzinfo=dt.UTC).timestamp() for day in (begins, ends))
    assert period(kind, DAY.timestamp()) == expected


@given(st.floats(0, 4_000_000_000), st.sampled_from(["Day", "Week", "Month", "Total"]))
def test_lease_record_period_contains_its_moment(now: float, kind: Period) -> None:
    begins, ends = period(kind, now)
    assert begins <= now < ends
    assert period(kind, begins) == (begins, ends)


class Gateways(RuleBasedStateMachine):
    """Three gateways that spend only their leases, and crash; time passes within one window."""

    def __init__(self) -> None:
        super().__init__()
        self.account = LeaseRecord()
        self.now = NOW
        self.left = dict.fromkeys("abc", 0)
        self.leased = dict.fromkeys("abc", 0)
        self.crashed = False
        self.unreported = dict.fromkeys("abc", 0)
        self.until = dict.fromkeys("abc", 0.0)
        self.spent = 0
        self.held = dict.fromkeys("abc", 0)

    @rule(gateway=st.sampled_from("abc"), want=st.integers(0, 2000), least=st.integers(1, 50))
    def claims(self, gateway: str, want: int, least: int) -> None:
        self.left[gateway] = min(self.left[gateway], want)
        self.account, granted = claim(
            self.account,
            gateway,
            self.now,
            quota=Quota(LIMIT, "Total"),
            used=self.unreported[gateway],
            leased=self.leased[gateway],
            want=want,
            least=least,
        )
        self.unreported[gateway] = 0
        self.left[gateway] = self.leased[gateway] = granted.amount
        self.until[gateway] = self.now + LEASE_S

    @rule(gateway=st.sampled_from("abc"), amount=st.integers(0, 200))
    def spends(self, gateway: str, amount: int) -> None:
        if self.now < self.until[gateway]:
            spent = min(amount, self.left[gateway])
            self.left[gateway] -= spent
            self.unreported[gateway] += spent
            self.spent += spent

    @rule(gateway=st.sampled_from("abc"))
    def crash(self, gateway: str) -> None:
        self.left[gateway] = self.leased[gateway] = self.unreported[gateway] = 0
        self.crashed = True

    @rule(seconds=st.floats(0, 7))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for gateway, until in self.until.items():
            if self.now >= until:
                # A gateway renews long before; this one detects that it was paused for too long.
                self.left[gateway] = 0

    @invariant()
    def never_more_than_the_limit(self) -> None:
        assert self.spent <= LIMIT

    @invariant()
    def nothing_is_lost_by_being_slow(self) -> None:
        """A running gateway reports its use, after which the sum is exact."""
        account = self.account
        for gateway in "abc":
            report = {"used": self.unreported[gateway], "leased": self.leased[gateway], "want": 0}
            account, _ = claim(account, gateway, self.now, quota=TOTAL, **report)
        if not self.crashed:
            assert account.windows["tokens"].used == self.spent


TestGateways = Gateways.TestCase


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12)), max_size=40), st.integers(1, 10))
def test_lease_record_slots_never_exceed_the_limit(wanted: list[tuple[str, int]], limit: int) -> None:
    account, held = LeaseRecord(), dict.fromkeys("abc", 0)
    for gateway, count in wanted:
        account, grants = merge_claims(
            account, gateway, LeaseClaim({}, {"streams": count}), {}, {"streams": limit}, NOW
        )
        others = sum(one for name, one in held.items() if name != gateway)
        assert grants.slots["streams"] == min(count, limit - others), "what is free is given, and no more"
        held[gateway] = grants.slots["streams"]
        assert sum(held.values()) <= limit


def test_lease_record_frees_the_slots_of_a_crashed_gateway_after_its_streams_have_ended() -> None:
    account, _ = merge_claims(LeaseRecord(), "a", LeaseClaim({}, {"streams": 3}), {}, {"streams": 3}, NOW)
    for after_s, free in ((SLOTS_HELD_S - 0.1, 0), (SLOTS_HELD_S + 0.1, 3)):
        _, grants = merge_claims(account, "b", LeaseClaim({}, {"streams": 3}), {}, {"streams": 3}, NOW + after_s)
        assert grants.slots["streams"] == free
