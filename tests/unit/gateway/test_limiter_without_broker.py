"""Limits while the broker is unavailable, and the state that a gateway keeps of them."""

import asyncio

from unit.support.limiters import PRICES, Fleet, key, resolution, stream
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.limits.api_keys import Budget


@virtual_time
async def test_limiter_spends_its_lease_without_the_broker_and_then_rejects() -> None:
    fleet = Fleet(key(requests_per_minute=1000), resolution(), gateways=1)
    for _ in range(60):
        await asyncio.sleep(0.05)
        await fleet.pass_through()
    fleet.store.away = True
    admitted = await _admitted_until_refused(fleet)
    assert 0 < admitted <= 25
    assert (await fleet.rejection()).code == "broker_unavailable"
    fleet.store.away = False
    assert await fleet.pass_through()
    await fleet.end()


@virtual_time
async def test_limiter_admits_without_the_broker_if_set() -> None:
    fleet = Fleet(key(requests_per_minute=10), resolution(), gateways=1, admit_unknown=True)
    fleet.store.away = True
    for _ in range(50):
        assert await fleet.pass_through()
    await fleet.end()


@virtual_time
async def test_limiter_applies_a_changed_limit_immediately() -> None:
    fleet = Fleet(key(requests_per_minute=1), resolution())
    await fleet.pass_through()
    assert not await fleet.pass_through()
    fleet.principal = type(fleet.principal)(key(requests_per_minute=2))
    assert [await fleet.pass_through() for _ in range(2)] == [True, False]
    await fleet.end()


@virtual_time
async def test_limiter_drops_an_unused_lease_and_keeps_its_record() -> None:
    fleet = Fleet(key(budget=Budget(amount="0.001", period="Total")), resolution(PRICES))
    errors: list[ErrorDetail] = []
    await stream(fleet, 0, 1000, errors)
    assert fleet.limiters[0]._leases
    await asyncio.sleep(400)
    assert not fleet.limiters[0]._leases
    assert (await fleet.rejection()).code == "budget_exhausted"
    await fleet.end()


@virtual_time
async def test_limiter_makes_no_broker_request_for_a_key_without_limits() -> None:
    fleet = Fleet(key(), resolution())
    for limiter in fleet.limiters:
        assert await limiter.admit(fleet.principal, fleet.route, ..., []) is None  # type: ignore[arg-type]
    assert fleet.store.calls == 0
    await fleet.end()


async def _admitted_until_refused(fleet: Fleet) -> int:
    for admitted in range(1000):
        try:
            (await fleet.admit()).close()
        except PenstockError:
            return admitted
    raise AssertionError("no request was rejected")
