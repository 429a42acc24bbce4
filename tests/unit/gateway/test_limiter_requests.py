"""Requests per minute over several gateways, in virtual time: admitted and rejected ones."""

import asyncio
import bisect
import random

import pytest
from unit.support.limiters import KEY, MINUTES_S, OFFSET, Fleet, key, resolution
from unit.support.virtual_time import virtual_time

from penstock_contract.stream.events import UsageReported


async def hammer(fleet: Fleet, gateway: int, limit: int, accepted: list[float], dice: random.Random) -> None:
    """Send requests for three minutes; a rejection while a tenth of the window is unused fails."""
    loop = asyncio.get_running_loop()
    end = loop.time() + MINUTES_S
    while loop.time() < end:
        await asyncio.sleep(dice.uniform(0.0, 0.4))
        if loop.time() >= end:
            return
        if await fleet.pass_through(gateway):
            accepted.append(loop.time())
            continue
        window = fleet.window("requests")
        used = len(accepted) - bisect.bisect_left(accepted, window.began_at - 0.01 - OFFSET)
        assert used > 0.9 * limit, f"refused with {used} of {limit} used"


@pytest.mark.parametrize("split", [10, 19, 20], ids=["evenly", "nearly all at one", "all at one"])
@virtual_time
async def test_limiter_holds_a_request_limit_over_two_gateways(split: int) -> None:
    limit = 600
    fleet = Fleet(key(requests_per_minute=limit), resolution())
    accepted: list[float] = []
    dice = random.Random(split)
    await asyncio.gather(*(hammer(fleet, int(number >= split), limit, accepted, dice) for number in range(20)))
    assert 0.95 * 3 * limit <= len(accepted) <= 1.05 * 3 * limit
    await fleet.end()


@virtual_time
async def test_limiter_admits_the_last_request_of_a_small_limit() -> None:
    fleet = Fleet(key(requests_per_minute=3), resolution())
    assert [await fleet.pass_through(gateway) for gateway in (0, 1, 0, 1, 0)] == [True, True, True, False, False]
    await fleet.end()


@pytest.mark.parametrize("open_s", [0.0, 0.3])
@pytest.mark.parametrize(
    ("limits", "requests"),
    [({"requests_per_minute": 2}, 1), ({"requests_per_minute": 20}, 19), ({"tokens_per_minute": 30}, 3)],
)
@virtual_time
async def test_limiter_leaves_what_an_idle_gateway_used_before_to_another(
    limits: dict[str, int], requests: int, open_s: float
) -> None:
    refused = []
    for pause_s in (0.05, 0.3, 0.8, 1.05, 1.3, 1.6, 1.9, 2.6):
        fleet = Fleet(key(**limits), resolution())
        for _ in range(requests):
            charge = await fleet.admit(0)
            charge.record_start("main")
            await asyncio.sleep(open_s)
            charge.record_output(16)
            charge.close()
        await asyncio.sleep(pause_s)
        if not await fleet.pass_through(1):
            refused.append(pause_s)
        await fleet.end()
    assert refused == []


@virtual_time
async def test_limiter_gives_a_retry_time_that_holds() -> None:
    fleet = Fleet(key(requests_per_minute=1), resolution())
    await fleet.pass_through()
    await asyncio.sleep(20)
    error = await fleet.rejection(1)
    assert error.code == "rate_limit_exceeded"
    assert error.message == "the limit of the API key is reached: 1 requests per minute"
    assert error.retry_after_s is not None
    assert 39 < error.retry_after_s < 40
    await asyncio.sleep(error.retry_after_s)
    assert await fleet.pass_through(1)
    await fleet.end()


@virtual_time
async def test_limiter_sends_openais_rate_headers() -> None:
    fleet = Fleet(key(requests_per_minute=10, tokens_per_minute=1000), resolution())
    charge = await fleet.admit()
    assert fleet.headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "996",
        "x-ratelimit-reset-tokens": "1m0s",
    }
    charge.record_start("main")
    charge.record_usage(UsageReported(100, 200))
    await asyncio.sleep(1.5)
    await fleet.admit(1)
    assert fleet.headers["x-ratelimit-remaining-requests"] == "8"
    assert 680 <= int(fleet.headers["x-ratelimit-remaining-tokens"]) <= 700
    await fleet.end()


@virtual_time
async def test_limiter_holds_a_routes_own_limit_without_keys() -> None:
    fleet = Fleet(None, resolution(requestsPerMinute=2))
    assert [await fleet.pass_through(gateway) for gateway in (0, 1, 0)] == [True, True, False]
    assert "the model's route" in (await fleet.rejection()).message
    await fleet.end()


@virtual_time
async def test_limiter_does_not_charge_the_key_for_a_rejection_of_the_route() -> None:
    fleet = Fleet(key(requests_per_minute=5, concurrent_streams=5), resolution(requestsPerMinute=1))
    assert await fleet.pass_through()
    for _ in range(8):
        assert not await fleet.pass_through()
    await asyncio.sleep(3)
    assert fleet.window("requests").used == 1
    assert not fleet.store.records[KEY][0].slots
    await fleet.end()
