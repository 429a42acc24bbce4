"""Tokens per minute: they are counted when they are sent, and the next minute pays a debt."""

import asyncio
import bisect
import random

import pytest
from unit.support.limiters import MINUTES_S, OFFSET, Fleet, key, resolution
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import UsageReported


async def talk(fleet: Fleet, gateway: int, limit: int, used: list[float], dice: random.Random) -> None:
    """Runs streams of 50 tokens in sequence for three minutes, and retries rejected ones."""
    loop = asyncio.get_running_loop()
    end = loop.time() + MINUTES_S
    while loop.time() < end:
        try:
            charge = await fleet.admit(gateway)
        except PenstockError:
            window = fleet.window("tokens")
            spent = len(used) - bisect.bisect_left(used, window.began_at - 0.01 - OFFSET)
            assert spent > 0.9 * limit
            await asyncio.sleep(dice.uniform(0.1, 0.5))
            continue
        charge.record_start("main")
        used += [loop.time()] * 4
        for _ in range(46):
            await asyncio.sleep(0.02)
            charge.record_output(4)
            used.append(loop.time())
        charge.record_usage(UsageReported(4, 46))
        charge.close()


@virtual_time
async def test_limiter_holds_a_token_limit_over_two_gateways() -> None:
    limit = 20_000
    fleet = Fleet(key(tokens_per_minute=limit), resolution())
    used: list[float] = []
    dice = random.Random(5)
    start = asyncio.get_running_loop().time()
    await asyncio.gather(*(talk(fleet, number % 2, limit, used, dice) for number in range(20)))
    within = bisect.bisect_left(used, start + MINUTES_S)
    assert 0.95 * 3 * limit <= within <= 1.05 * 3 * limit
    await fleet.end()


@virtual_time
async def test_limiter_lets_a_running_stream_borrow_tokens_of_the_next_minute() -> None:
    fleet = Fleet(key(tokens_per_minute=100), resolution())
    charge = await fleet.admit()
    assert charge.record_start("main") is None
    charge.record_usage(UsageReported(4, 250))
    charge.close()
    await asyncio.sleep(2)
    assert charge.exhausted is None
    assert not await fleet.pass_through(1)
    await asyncio.sleep(60)
    assert not await fleet.pass_through(1), "54 of the debt and 100 of the limit are more than this minute has"
    await asyncio.sleep(61)
    assert await fleet.pass_through(1)
    await fleet.end()


@virtual_time
async def test_limiter_gives_a_retry_time_at_the_end_of_a_token_debt() -> None:
    fleet = Fleet(key(tokens_per_minute=1_000), resolution())
    start = asyncio.get_running_loop().time()
    charge = await fleet.admit()
    charge.record_start("main")
    charge.record_usage(UsageReported(60_500, 0))
    charge.close()
    await asyncio.sleep(30)
    error = await fleet.rejection(1)
    assert error.retry_after_s == pytest.approx(60 * 60 - 30, abs=0.1), "59 minutes are paid with, and half of another"
    assert fleet.headers["x-ratelimit-reset-tokens"] == "60m30s"
    await asyncio.sleep(error.retry_after_s - 60)
    assert not await fleet.pass_through(1)
    await asyncio.sleep(60)
    assert await fleet.pass_through(1)
    assert asyncio.get_running_loop().time() - start == pytest.approx(60 * 60, abs=0.1)
    await fleet.end()


@virtual_time
async def test_limiter_pays_a_token_debt_without_requests() -> None:
    fleet = Fleet(key(tokens_per_minute=1_000), resolution())
    charge = await fleet.admit()
    charge.record_start("main")
    charge.record_usage(UsageReported(60_000, 0))
    charge.close()
    await asyncio.sleep(2 * 60 * 60)
    assert await fleet.pass_through(1)
    await fleet.end()


@virtual_time
async def test_limiter_admits_no_request_for_a_corrected_estimate_when_tokens_are_used_up() -> None:
    fleet = Fleet(key(tokens_per_minute=100), resolution())
    first, second = await fleet.admit(), await fleet.admit()
    for charge in (first, second):
        charge.record_start("main")
    first.record_usage(UsageReported(0, 500))
    first.close()
    await asyncio.sleep(1.5)
    assert not await fleet.pass_through()
    second.record_usage(UsageReported(0, 0))
    second.close()
    assert not await fleet.pass_through()
    await asyncio.sleep(1.5)
    assert not await fleet.pass_through(1)
    await fleet.end()
