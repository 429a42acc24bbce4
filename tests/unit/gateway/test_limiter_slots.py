"""Concurrent streams: never more than the limit, and every slot is freed, also that of a lost gateway."""

import asyncio
import random

import pytest
from unit.support.limiters import KEY, PRICES, Fleet, key, resolution
from unit.support.virtual_time import virtual_time

from penstock_broker.connection import PING_INTERVAL_S, PING_OUTSTANDING_MAX
from penstock_broker.stores.limits import TIMEOUT_S
from penstock_contract.errors import PenstockError
from penstock_contract.limits.api_keys import Budget
from penstock_contract.limits.lease_record import SLOTS_HELD_S
from penstock_gateway.limits.limit_lease import SYNC_S
from penstock_gateway.limits.stream_charge import StreamCharge
from penstock_gateway.streaming.stream_timeouts import BROKER_AWAY_MAX_S


@virtual_time
async def test_limiter_never_exceeds_concurrent_streams_and_frees_every_slot() -> None:
    limit = 7
    fleet = Fleet(key(concurrent_streams=limit), resolution())
    open_, most, served = 0, 0, 0
    dice = random.Random(3)

    async def client(gateway: int) -> None:
        nonlocal open_, most, served
        for _ in range(40):
            try:
                charge = await fleet.admit(gateway)
            except PenstockError:
                await asyncio.sleep(dice.uniform(0.01, 0.1))
                continue
            open_ += 1
            most = max(most, open_)
            await asyncio.sleep(dice.uniform(0.0, 0.2))
            open_ -= 1
            served += 1
            charge.close()

    await asyncio.gather(*(client(number % 2) for number in range(20)))
    assert most == limit
    assert served > 200
    await asyncio.sleep(0.1)
    together = [await fleet.admit(number % 2) for number in range(limit)]
    assert (await fleet.rejection()).message == "the limit of the API key is reached: 7 concurrent streams"
    assert len(together) == limit
    await fleet.end()


@pytest.mark.parametrize("gateways", [2, 4])
@virtual_time
async def test_limiter_keeps_no_spare_slots_near_the_limit(gateways: int) -> None:
    limit = 640
    fleet = Fleet(key(concurrent_streams=limit), resolution(), gateways=gateways)
    for gateway in range(1, gateways):
        for _ in range(30):
            await fleet.admit(gateway)
    rest = limit - 30 * (gateways - 1)
    for _ in range(rest - 50):
        await fleet.admit(0)
    await asyncio.sleep(3)
    for _ in range(50):
        await fleet.admit(0)
    assert (await fleet.rejection()).code == "rate_limit_exceeded"
    await fleet.end()


@virtual_time
async def test_limiter_gives_slots_that_came_free_at_one_gateway_to_another_at_once() -> None:
    limit = 64
    fleet = Fleet(key(concurrent_streams=limit), resolution())
    for _ in range(limit - 3):
        await fleet.admit(1)
    for _ in range(10):
        charges = [await fleet.admit(0) for _ in range(3)]
        await asyncio.sleep(0.4)
        for charge in charges:
            charge.close()
        await asyncio.sleep(0.05)
        charges = [await fleet.admit(1) for _ in range(3)]
        for charge in charges:
            charge.close()
        await asyncio.sleep(0.05)
    await fleet.end()


@virtual_time
async def test_limiter_frees_the_slots_of_a_lost_gateway_after_its_streams_have_ended() -> None:
    fleet = Fleet(key(concurrent_streams=4), resolution())
    for _ in range(4):
        await fleet.admit(0)
    await asyncio.sleep(10)
    assert (await fleet.rejection(1)).code == "rate_limit_exceeded"
    await fleet.kill(0)
    await asyncio.sleep(SLOTS_HELD_S - 1.5)
    assert (await fleet.rejection(1)).code == "rate_limit_exceeded"
    await asyncio.sleep(1.6)
    for _ in range(4):
        await fleet.admit(1)
    await fleet.end()


@virtual_time
async def test_limiter_frees_a_queue_slot_when_a_provider_answers() -> None:
    fleet = Fleet(key(queue_share_percent=50), resolution(queueDepth=4))
    waiting = [await fleet.admit(0), await fleet.admit(1)]
    assert (await fleet.rejection()).code == "rate_limit_exceeded"
    waiting[0].record_start("main")
    await asyncio.sleep(0.2)
    third = await fleet.admit(1)
    waiting[1].close()
    third.close()
    waiting[0].close()
    await asyncio.sleep(0.2)
    assert not fleet.store.records[KEY][0].slots
    await fleet.end()


@virtual_time
async def test_limiter_keeps_the_slot_of_a_busy_key() -> None:
    fleet = Fleet(key(concurrent_streams=5), resolution(), gateways=1)
    loop = asyncio.get_running_loop()
    start, served = loop.time(), 0
    while loop.time() < start + 10:
        charge = await fleet.admit()
        await asyncio.sleep(0.05)
        charge.close()
        served += 1
        await asyncio.sleep(0.03)
    assert served > 100
    assert fleet.store.calls < 30, "one a second, and one when a place was given back too early"
    await fleet.end()


@pytest.mark.parametrize(("every_s", "answer_s"), [(0.05, 0.004), (0.05, 1.5), (0.3, 0.01), (0.7, 0.01)])
@virtual_time
async def test_limiter_lets_no_request_of_a_key_in_use_wait_for_the_broker(every_s: float, answer_s: float) -> None:
    limits = {"requests_per_minute": 100_000, "tokens_per_minute": 10**9, "concurrent_streams": 10_000}
    route = resolution(PRICES, queueDepth=2048)
    fleet = Fleet(key(Budget(amount="1000", period="Month"), queue_share_percent=100, **limits), route, gateways=1)
    loop = asyncio.get_running_loop()

    async def answer(charge: StreamCharge) -> None:
        await asyncio.sleep(0.004)
        charge.record_start("main")
        await asyncio.sleep(answer_s)
        charge.close()

    waited = 0
    async with asyncio.TaskGroup() as answers:
        for number in range(int(20 / every_s)):
            sent_at = loop.time()
            answers.create_task(answer(await fleet.admit()))
            waited += loop.time() > sent_at and number * every_s > 3
            await asyncio.sleep(every_s)
    assert waited == 0
    assert fleet.store.calls < 3 * 20, "one write a second, and a few more at the start"
    await fleet.end()


@pytest.mark.parametrize(("limit", "after_s"), [(1, 0.05), (2, 0.05), (5, 1.2)])
@virtual_time
async def test_limiter_returns_a_slot_that_another_gateway_may_need(limit: int, after_s: float) -> None:
    fleet = Fleet(key(concurrent_streams=limit), resolution())
    for charge in [await fleet.admit(number % 2) for number in range(limit)]:
        charge.close()
    await asyncio.sleep(after_s)
    for _ in range(limit):
        await fleet.admit(1)
    await fleet.end()


@pytest.mark.parametrize("away_s", [6.0, BROKER_AWAY_MAX_S])
@virtual_time
async def test_limiter_keeps_the_slots_of_streams_during_a_broker_absence(away_s: float) -> None:
    fleet = Fleet(key(concurrent_streams=8), resolution())
    for number in range(8):
        await fleet.admit(number % 2)
    await asyncio.sleep(2)
    await fleet.kill(0)  # Its streams continue; it only cannot reach its account.
    fleet.store.away = True
    await asyncio.sleep(away_s)
    fleet.store.away = False
    # The other gateway has its connection again a moment later.
    await asyncio.sleep(1)
    for _ in range(4):
        assert (await fleet.rejection(1)).code == "rate_limit_exceeded"
    await fleet.end()


def test_limiter_holds_a_slot_longer_than_a_stream_lives_without_the_broker() -> None:
    unnoticed_s = PING_INTERVAL_S * (PING_OUTSTANDING_MAX + 1)
    assert unnoticed_s + BROKER_AWAY_MAX_S + SYNC_S + TIMEOUT_S < SLOTS_HELD_S
