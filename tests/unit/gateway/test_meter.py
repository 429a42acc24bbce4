"""Limits over several gateways, in virtual time: what is accepted, what is refused, and what comes back."""

import asyncio
import bisect
import random

import pytest
from msgspec.structs import replace
from unit.support.meters import KEY, Fleet, key, resolution
from unit.support.streams import feed, live
from unit.support.virtual_time import virtual_time

from penstock_contract.account import PLACES_S, Period
from penstock_contract.broker.accounts import TIMEOUT_S
from penstock_contract.broker.connection import PING_INTERVAL_S, PING_OUTSTANDING_MAX
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.events import Accepted, Finished, Started, TextDelta, UsageReported
from penstock_contract.keys import Budget
from penstock_contract.messages import Message
from penstock_contract.requests import ChatOperation, EmbeddingsOperation, Operation
from penstock_contract.usage import Tokens, UsageRow
from penstock_gateway.meter import Admission
from penstock_gateway.supervision import BROKER_AWAY_MAX_S
from penstock_gateway.till import EXCHANGE_S

MINUTES_S = 180.0
PRICES = {"inputPerMillion": "1", "outputPerMillion": "10"}


async def hammer(fleet: Fleet, gateway: int, limit: int, accepted: list[float], dice: random.Random) -> None:
    """Ask again and again for three minutes; a refusal while a tenth of the window is unused fails."""
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


OFFSET = 1_700_000_000.0 - 1000.0
"""From the loop's time to Unix time."""


@pytest.mark.parametrize("split", [10, 19, 20], ids=["evenly", "nearly all at one", "all at one"])
@virtual_time
async def test_two_gateways_accept_together_what_the_limit_says(split: int) -> None:
    limit = 600
    fleet = Fleet(key(requests_per_minute=limit), resolution())
    accepted: list[float] = []
    dice = random.Random(split)
    await asyncio.gather(*(hammer(fleet, int(number >= split), limit, accepted, dice) for number in range(20)))
    assert 0.95 * 3 * limit <= len(accepted) <= 1.05 * 3 * limit
    await fleet.end()


@virtual_time
async def test_a_small_limit_is_used_to_its_last_request() -> None:
    fleet = Fleet(key(requests_per_minute=3), resolution())
    assert [await fleet.pass_through(gateway) for gateway in (0, 1, 0, 1, 0)] == [True, True, True, False, False]
    await fleet.end()


@virtual_time
async def test_a_refusal_says_when_to_come_back_and_then_it_is_true() -> None:
    fleet = Fleet(key(requests_per_minute=1), resolution())
    await fleet.pass_through()
    await asyncio.sleep(20)
    error = await fleet.refused(1)
    assert error.code == "rate_limit_exceeded"
    assert error.message == "the limit of the API key is reached: 1 requests per minute"
    assert error.retry_after_s is not None
    assert 39 < error.retry_after_s < 40
    await asyncio.sleep(error.retry_after_s)
    assert await fleet.pass_through(1)
    await fleet.end()


@virtual_time
async def test_what_is_left_is_said_as_openai_says_it() -> None:
    fleet = Fleet(key(requests_per_minute=10, tokens_per_minute=1000), resolution())
    admission = await fleet.admit()
    assert fleet.headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "996",
        "x-ratelimit-reset-tokens": "1m0s",
    }
    admission.started("main")
    admission.counted(UsageReported(100, 200))
    await asyncio.sleep(1.5)
    await fleet.admit(1)
    assert fleet.headers["x-ratelimit-remaining-requests"] == "8"
    assert 680 <= int(fleet.headers["x-ratelimit-remaining-tokens"]) <= 700
    await fleet.end()


@virtual_time
async def test_a_route_has_limits_of_its_own_for_all_keys_and_for_who_has_none() -> None:
    fleet = Fleet(None, resolution(requestsPerMinute=2))
    assert [await fleet.pass_through(gateway) for gateway in (0, 1, 0)] == [True, True, False]
    assert "the model's route" in (await fleet.refused()).message
    await fleet.end()


@virtual_time
async def test_what_the_route_refuses_is_not_counted_against_the_key() -> None:
    fleet = Fleet(key(requests_per_minute=5, concurrent_streams=5), resolution(requestsPerMinute=1))
    assert await fleet.pass_through()
    for _ in range(8):
        assert not await fleet.pass_through()
    await asyncio.sleep(3)
    assert fleet.window("requests").used == 1
    assert not fleet.accounts.records[KEY][0].places
    await fleet.end()


# Tokens


async def talk(fleet: Fleet, gateway: int, limit: int, used: list[float], dice: random.Random) -> None:
    """Streams of 50 tokens, one after the other, for three minutes; refused ones try again."""
    loop = asyncio.get_running_loop()
    end = loop.time() + MINUTES_S
    while loop.time() < end:
        try:
            admission = await fleet.admit(gateway)
        except PenstockError:
            window = fleet.window("tokens")
            spent = len(used) - bisect.bisect_left(used, window.began_at - 0.01 - OFFSET)
            assert spent > 0.9 * limit
            await asyncio.sleep(dice.uniform(0.1, 0.5))
            continue
        admission.started("main")
        used += [loop.time()] * 4
        for _ in range(46):
            await asyncio.sleep(0.02)
            admission.said(4)
            used.append(loop.time())
        admission.counted(UsageReported(4, 46))
        fleet.leave(admission, gateway)


@virtual_time
async def test_two_gateways_let_through_together_the_tokens_that_the_limit_says() -> None:
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
async def test_a_stream_that_runs_goes_on_when_the_tokens_are_used_up_and_the_next_minute_pays() -> None:
    fleet = Fleet(key(tokens_per_minute=100), resolution())
    admission = await fleet.admit()
    ended: list[ErrorDetail] = []
    admission.fail = ended.append
    admission.started("main")
    admission.counted(UsageReported(4, 250))
    fleet.leave(admission)
    await asyncio.sleep(2)
    assert not ended
    assert not await fleet.pass_through(1)
    await asyncio.sleep(60)
    assert not await fleet.pass_through(1), "54 of the debt and 100 of the limit are more than this minute has"
    await asyncio.sleep(61)
    assert await fleet.pass_through(1)
    await fleet.end()


@virtual_time
async def test_a_debt_of_tokens_is_over_when_the_refusal_says() -> None:
    fleet = Fleet(key(tokens_per_minute=1_000), resolution())
    start = asyncio.get_running_loop().time()
    admission = await fleet.admit()
    admission.started("main")
    admission.counted(UsageReported(60_500, 0))
    fleet.leave(admission)
    await asyncio.sleep(30)
    error = await fleet.refused(1)
    assert error.retry_after_s == pytest.approx(60 * 60 - 30, abs=0.1), "59 minutes are paid with, and half of another"
    assert fleet.headers["x-ratelimit-reset-tokens"] == "60m30s"
    await asyncio.sleep(error.retry_after_s - 60)
    assert not await fleet.pass_through(1)
    await asyncio.sleep(60)
    assert await fleet.pass_through(1)
    assert asyncio.get_running_loop().time() - start == pytest.approx(60 * 60, abs=0.1)
    await fleet.end()


@virtual_time
async def test_a_debt_of_tokens_ends_while_nobody_asks() -> None:
    fleet = Fleet(key(tokens_per_minute=1_000), resolution())
    admission = await fleet.admit()
    admission.started("main")
    admission.counted(UsageReported(60_000, 0))
    fleet.leave(admission)
    await asyncio.sleep(2 * 60 * 60)
    assert await fleet.pass_through(1)
    await fleet.end()


@virtual_time
async def test_an_estimate_that_was_too_high_lets_nobody_in_when_the_tokens_are_used_up() -> None:
    fleet = Fleet(key(tokens_per_minute=100), resolution())
    first, second = await fleet.admit(), await fleet.admit()
    for admission in (first, second):
        admission.started("main")
    first.counted(UsageReported(0, 500))
    fleet.leave(first)
    await asyncio.sleep(1.5)
    assert not await fleet.pass_through()
    second.counted(UsageReported(0, 0))
    fleet.leave(second)
    assert not await fleet.pass_through()
    await asyncio.sleep(1.5)
    assert not await fleet.pass_through(1)
    await fleet.end()


# Concurrency


@virtual_time
async def test_streams_at_the_same_time_are_never_more_than_allowed_and_every_place_comes_back() -> None:
    limit = 7
    fleet = Fleet(key(concurrent_streams=limit), resolution())
    open_, most, served = 0, 0, 0
    dice = random.Random(3)

    async def client(gateway: int) -> None:
        nonlocal open_, most, served
        for _ in range(40):
            try:
                admission = await fleet.admit(gateway)
            except PenstockError:
                await asyncio.sleep(dice.uniform(0.01, 0.1))
                continue
            open_ += 1
            most = max(most, open_)
            await asyncio.sleep(dice.uniform(0.0, 0.2))
            open_ -= 1
            served += 1
            fleet.leave(admission, gateway)

    await asyncio.gather(*(client(number % 2) for number in range(20)))
    assert most == limit
    assert served > 200
    await asyncio.sleep(0.1)
    together = [await fleet.admit(number % 2) for number in range(limit)]
    assert (await fleet.refused()).message == "the limit of the API key is reached: 7 concurrent streams"
    assert len(together) == limit
    await fleet.end()


@virtual_time
async def test_the_places_of_a_gateway_that_died_come_back_and_not_before_its_streams_must_have_ended() -> None:
    fleet = Fleet(key(concurrent_streams=4), resolution())
    for _ in range(4):
        await fleet.admit(0)
    await asyncio.sleep(10)
    assert (await fleet.refused(1)).code == "rate_limit_exceeded"
    await fleet.kill(0)
    await asyncio.sleep(PLACES_S - 1.5)
    assert (await fleet.refused(1)).code == "rate_limit_exceeded"
    await asyncio.sleep(1.6)
    for _ in range(4):
        await fleet.admit(1)
    await fleet.end()


@virtual_time
async def test_a_share_of_the_queue_is_given_back_when_a_provider_answers() -> None:
    fleet = Fleet(key(queue_share_percent=50), resolution(queueDepth=4))
    waiting = [await fleet.admit(0), await fleet.admit(1)]
    assert (await fleet.refused()).code == "rate_limit_exceeded"
    waiting[0].started("main")
    await asyncio.sleep(0.2)
    third = await fleet.admit(1)
    fleet.leave(waiting[1], 1)
    fleet.leave(third, 1)
    fleet.leave(waiting[0])
    await asyncio.sleep(0.2)
    assert not fleet.accounts.records[KEY][0].places
    await fleet.end()


@virtual_time
async def test_a_key_that_is_busy_keeps_its_place_and_does_not_ask_the_broker_for_each_request() -> None:
    fleet = Fleet(key(concurrent_streams=5), resolution(), gateways=1)
    loop = asyncio.get_running_loop()
    start, served = loop.time(), 0
    while loop.time() < start + 10:
        admission = await fleet.admit()
        await asyncio.sleep(0.05)
        fleet.leave(admission)
        served += 1
        await asyncio.sleep(0.03)
    assert served > 100
    assert fleet.accounts.calls < 30, "one a second, and one when a place was given back too early"
    await fleet.end()


@pytest.mark.parametrize(("limit", "after_s"), [(1, 0.05), (2, 0.05), (5, 1.2)])
@virtual_time
async def test_a_place_that_another_gateway_may_need_is_given_back(limit: int, after_s: float) -> None:
    fleet = Fleet(key(concurrent_streams=limit), resolution())
    for number, admission in enumerate([await fleet.admit(number % 2) for number in range(limit)]):
        fleet.leave(admission, number % 2)
    await asyncio.sleep(after_s)
    for _ in range(limit):
        await fleet.admit(1)
    await fleet.end()


@pytest.mark.parametrize("away_s", [6.0, BROKER_AWAY_MAX_S])
@virtual_time
async def test_places_of_streams_that_survive_the_brokers_absence_are_not_given_out_again(away_s: float) -> None:
    fleet = Fleet(key(concurrent_streams=8), resolution())
    for number in range(8):
        await fleet.admit(number % 2)
    await asyncio.sleep(2)
    await fleet.kill(0)  # its streams go on: only it does not get to its account
    fleet.accounts.away = True
    await asyncio.sleep(away_s)
    fleet.accounts.away = False
    # The other one is back a moment later.
    await asyncio.sleep(1)
    for _ in range(4):
        assert (await fleet.refused(1)).code == "rate_limit_exceeded"
    await fleet.end()


def test_a_place_is_held_for_longer_than_a_stream_can_live_without_the_broker() -> None:
    unnoticed_s = PING_INTERVAL_S * (PING_OUTSTANDING_MAX + 1)
    assert unnoticed_s + BROKER_AWAY_MAX_S + EXCHANGE_S + TIMEOUT_S < PLACES_S


# The broker is away


@virtual_time
async def test_without_the_broker_what_was_leased_is_spent_and_then_nobody_knows() -> None:
    fleet = Fleet(key(requests_per_minute=1000), resolution(), gateways=1)
    for _ in range(60):
        await asyncio.sleep(0.05)
        await fleet.pass_through()
    fleet.accounts.away = True
    admitted = await _admitted_until_refused(fleet)
    assert 0 < admitted <= 25
    assert (await fleet.refused()).code == "broker_unavailable"
    fleet.accounts.away = False
    assert await fleet.pass_through()
    await fleet.end()


@virtual_time
async def test_without_the_broker_everybody_is_admitted_if_the_setting_says_so() -> None:
    fleet = Fleet(key(requests_per_minute=10), resolution(), gateways=1, admit_unknown=True)
    fleet.accounts.away = True
    for _ in range(50):
        assert await fleet.pass_through()
    await fleet.end()


@virtual_time
async def test_a_limit_that_was_changed_holds_at_once() -> None:
    fleet = Fleet(key(requests_per_minute=1), resolution())
    await fleet.pass_through()
    assert not await fleet.pass_through()
    fleet.caller = type(fleet.caller)(key(requests_per_minute=2))
    assert [await fleet.pass_through() for _ in range(2)] == [True, False]
    await fleet.end()


@virtual_time
async def test_an_account_that_nobody_uses_is_forgotten_here_and_not_in_the_store() -> None:
    fleet = Fleet(key(budget=Budget(amount="0.001", period="Total")), resolution(PRICES))
    told: list[ErrorDetail] = []
    await stream(fleet, 0, 1000, told)
    assert fleet.meters[0]._tills
    await asyncio.sleep(400)
    assert not fleet.meters[0]._tills
    assert (await fleet.refused()).code == "budget_exhausted"
    await fleet.end()


@virtual_time
async def test_a_key_without_limits_costs_nothing() -> None:
    fleet = Fleet(key(), resolution())
    for meter in fleet.meters:
        assert await meter.admit(fleet.caller, fleet.route, ..., []) is None  # type: ignore[arg-type]
    assert fleet.accounts.calls == 0
    await fleet.end()


async def _admitted_until_refused(fleet: Fleet) -> int:
    for admitted in range(1000):
        try:
            fleet.leave(await fleet.admit())
        except PenstockError:
            return admitted
    raise AssertionError("nobody was refused")


# Budgets


async def stream(fleet: Fleet, gateway: int, tokens: int, told: list[ErrorDetail]) -> int:
    """A stream of `tokens` tokens at 50 a second, ended by the meter or by itself; how many it got."""
    ended: asyncio.Future[ErrorDetail] = asyncio.get_running_loop().create_future()

    def fail(error: ErrorDetail) -> None:
        if not ended.done():
            ended.set_result(error)

    admission = await fleet.admit(gateway)
    admission.fail = fail
    admission.started("main")
    got = 0
    while got < tokens and not ended.done():
        await asyncio.wait([ended], timeout=0.02)
        if not ended.done():
            got += 1
            admission.said(4)
    if ended.done():
        told.append(ended.result())
    fleet.leave(admission, gateway)
    return got


@pytest.mark.parametrize("latency_s", [0.0, 0.002, 0.015])
@virtual_time
async def test_streams_that_share_a_budget_use_it_up_and_end_with_the_reason(latency_s: float) -> None:
    # 50 streams of 4 tokens in and 200 out would cost 0.1002.
    fleet = Fleet(key(Budget(amount="0.05", period="Day")), resolution(PRICES))
    fleet.accounts._latency_s = latency_s
    told: list[ErrorDetail] = []
    got = await asyncio.gather(*(stream(fleet, number % 2, 200, told) for number in range(50)))
    spent = sum(4 * 1 + tokens * 10 for tokens in got)  # in millionths
    assert spent <= 50_000 + 50 * 10
    assert spent >= 0.95 * 50_000
    assert len(told) == 50
    assert {(error.code, error.message) for error in told} == {
        ("budget_exhausted", "the budget of the API key is used up")
    }
    assert (await fleet.refused()).code == "budget_exhausted"
    await asyncio.sleep(2)
    assert fleet.window("money").used == spent * 1_000_000
    await fleet.end()


@virtual_time
async def test_a_budget_is_usable_from_one_gateway_though_another_was_busy_before() -> None:
    fleet = Fleet(key(Budget(amount="0.01", period="Total")), resolution(PRICES))
    told: list[ErrorDetail] = []
    first = await asyncio.gather(*(stream(fleet, 1, 20, told) for _ in range(2)))
    await asyncio.sleep(1.5)
    rest = await asyncio.gather(*(stream(fleet, 0, 1000, told) for _ in range(2)))
    spent = sum(4 + 10 * tokens for tokens in (*first, *rest))
    assert 9_500 <= spent <= 10_000 + 2 * 10
    await fleet.end()


@virtual_time
async def test_nothing_is_reserved_for_a_request_that_may_become_long() -> None:
    fleet = Fleet(key(Budget(amount="0.01", period="Day")), resolution(PRICES))
    told: list[ErrorDetail] = []
    got = await asyncio.gather(*(stream(fleet, number % 2, 14, told) for number in range(60)))
    assert got == [14] * 60, "0.00864 of 0.01"
    assert not told
    await fleet.end()


@virtual_time
async def test_a_budget_begins_anew_with_its_period() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES))
    told: list[ErrorDetail] = []
    await stream(fleet, 0, 1000, told)
    error = await fleet.refused(1)
    assert error.retry_after_s is not None
    await asyncio.sleep(error.retry_after_s)
    assert await stream(fleet, 1, 5, told) == 5
    await fleet.end()


@pytest.mark.parametrize(("period", "tokens"), [("Total", 4), ("Day", 2_000)], ids=["for good", "too long a prompt"])
@virtual_time
async def test_a_budget_that_time_does_not_bring_back_says_no_time(period: Period, tokens: int) -> None:
    fleet = Fleet(key(Budget(amount="0.001", period=period)), resolution(PRICES))
    await stream(fleet, 0, 1000, [])
    assert (await fleet.refused(0, prompt(tokens))).retry_after_s is None
    await fleet.end()


@virtual_time
async def test_a_budget_does_not_end_what_costs_nothing() -> None:
    fleet = Fleet(key(Budget(amount="0", period="Total")), resolution())
    told: list[ErrorDetail] = []
    assert await stream(fleet, 0, 50, told) == 50
    await fleet.end()


@virtual_time
async def test_the_providers_count_replaces_ours() -> None:
    fleet = Fleet(key(Budget(amount="1", period="Total"), tokens_per_minute=10_000), resolution(PRICES))
    admission = await fleet.admit()
    admission.started("main")
    for _ in range(10):
        admission.said(3)
    admission.counted(UsageReported(1000, 25, 0))
    fleet.leave(admission)
    await asyncio.sleep(2)
    assert fleet.window("tokens").used == 1025
    assert fleet.window("money").used == 1_250 * 1_000_000
    await fleet.end()


@virtual_time
async def test_without_the_broker_a_stream_spends_its_gateways_lease_and_ends() -> None:
    fleet = Fleet(key(Budget(amount="100", period="Day")), resolution(PRICES), gateways=1)
    told: list[ErrorDetail] = []
    streaming = asyncio.create_task(stream(fleet, 0, 10_000, told))
    await asyncio.sleep(3)
    fleet.accounts.away = True
    got = await streaming
    assert [error.code for error in told] == ["broker_unavailable"]
    assert 150 < got < 300
    await fleet.end()


@virtual_time
async def test_a_gateway_that_stood_still_pays_once_for_what_it_used() -> None:
    fleet = Fleet(key(Budget(amount="0.1", period="Total")), resolution(PRICES))
    admission = await fleet.admit(0)
    admission.started("main")
    admission.said(4)
    await fleet.kill(0)
    await asyncio.sleep(7)
    fleet.leave(await fleet.admit(1), 1)
    await asyncio.sleep(2)
    fleet.leave(admission, 0)
    await fleet.meters[0].close()
    assert fleet.window("money").used == (4 * 1 + 1 * 10) * 1_000_000
    await fleet.end()


@virtual_time
async def test_the_first_stream_of_a_key_ends_with_the_budget_however_fast_it_is() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    admission = await fleet.admit()
    ended: list[ErrorDetail] = []
    admission.fail = ended.append
    admission.started("main")
    got = 0
    while not ended and got < 1_000:
        await asyncio.sleep(0.002)
        admission.said(4)
        got += 1
    assert ended[0].code == "budget_exhausted"
    assert got <= 101, "0.000004 of input and 0.00001 for each piece"
    await fleet.end()


@virtual_time
async def test_an_answer_whose_provider_has_finished_is_whole_though_its_count_empties_the_budget() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    answers = [live(), live()]
    for answer in answers:
        answer.admission = admission = await fleet.admit()
        admission.fail = answer.fail
        feed(answer, Accepted("w", 0.1), Started("main", "m"), TextDelta("one"))
    feed(answers[0], UsageReported(4, 200), from_seq=3)
    await asyncio.sleep(1.5)
    assert answers[1].error is not None
    assert answers[1].error.code == "budget_exhausted"
    feed(answers[0], Finished("stop"), from_seq=4)
    assert (answers[0].error, answers[0].finished) == (None, Finished("stop"))
    await fleet.end()


# Budgets: the input


def prompt(tokens: int) -> ChatOperation:
    return ChatOperation(messages=[Message(role="user", content="four" * (tokens - 4))])


async def admitted_at_once(fleet: Fleet, count: int, operation: Operation) -> list[Admission]:
    """How many of `count` requests come in before any provider has answered."""
    asks = (fleet.admit(number % len(fleet.meters), operation) for number in range(count))
    answers = await asyncio.gather(*asks, return_exceptions=True)
    for answer in answers:
        assert isinstance(answer, Admission) or (
            isinstance(answer, PenstockError) and answer.detail.code == "budget_exhausted"
        )
    return [answer for answer in answers if isinstance(answer, Admission)]


@virtual_time
async def test_a_prompt_that_costs_more_than_is_left_is_refused_and_a_smaller_one_is_not() -> None:
    fleet = Fleet(key(Budget(amount="0.02", period="Day")), resolution({"inputPerMillion": "3"}))
    assert not await admitted_at_once(fleet, 50, prompt(100_000))
    error = await fleet.refused(0, prompt(100_000))
    assert error.message == "what is left of the budget of the API key does not pay for the input of this request"
    fleet.leave(await fleet.admit(0, prompt(6_000)))
    await asyncio.sleep(2)
    assert fleet.window("money").used == 0, "no provider was reached"
    await fleet.end()


@virtual_time
async def test_prompts_that_do_not_fit_keep_no_money_from_another_gateway() -> None:
    fleet = Fleet(key(Budget(amount="0.02", period="Day")), resolution(PRICES))
    asks = [asyncio.create_task(fleet.refused(0, prompt(30_000))) for _ in range(10)]
    await asyncio.wait(asks)
    fleet.leave(await fleet.admit(1, prompt(15_000)), 1)
    assert {ask.result().code for ask in asks} == {"budget_exhausted"}
    await fleet.end()


@pytest.mark.parametrize(
    "operation", [prompt(1_000), EmbeddingsOperation(input=["four" * 1_000])], ids=["chat", "embeddings"]
)
@virtual_time
async def test_prompts_that_come_at_the_same_time_cost_together_no_more_than_the_budget(operation: Operation) -> None:
    fleet = Fleet(key(Budget(amount="0.0105", period="Day")), resolution(PRICES))
    came_in = await admitted_at_once(fleet, 50, operation)
    assert len(came_in) == 10, "a thousandth each"
    for number, admission in enumerate(came_in):
        admission.started("main")
        admission.counted(UsageReported(1_000, 0, 0))
        fleet.leave(admission, number % 2)
    await asyncio.sleep(2)
    assert fleet.window("money").used == 10 * 1_000 * 1_000_000
    await fleet.end()


@virtual_time
async def test_what_was_set_aside_for_an_input_comes_back_when_no_provider_was_reached() -> None:
    fleet = Fleet(key(Budget(amount="0.0105", period="Day"), tokens_per_minute=100_000), resolution(PRICES), gateways=1)
    for _ in range(3):
        came_in = await admitted_at_once(fleet, 50, prompt(1_000))
        assert len(came_in) == 10
        for admission in came_in:
            fleet.leave(admission)
    await asyncio.sleep(2)
    assert (fleet.window("money").used, fleet.window("tokens").used) == (0, 0)
    await fleet.end()


@virtual_time
async def test_an_input_that_was_given_back_is_paid_for_after_all_if_the_row_says_so() -> None:
    fleet = Fleet(key(Budget(amount="1", period="Total")), resolution(PRICES))
    admission = await fleet.admit(0, prompt(1_000))
    fleet.leave(admission)
    row = UsageRow(id="req_1", key="k", route="default.main", model="main", gateway="gw-0", started_at=1.0)
    admission.settle(replace(row, tokens=Tokens(1_000, 0, 3), cost="0.00103", ended="cancelled"))
    await asyncio.sleep(2)
    assert fleet.window("money").used == 1_030 * 1_000_000
    await fleet.end()


@virtual_time
async def test_an_input_is_set_aside_at_the_cheapest_providers_price_and_paid_at_the_price_of_who_answers() -> None:
    fleet = Fleet(
        key(Budget(amount="0.006", period="Day")), resolution({"inputPerMillion": "5"}, {"inputPerMillion": "1"})
    )
    came_in = await admitted_at_once(fleet, 2, prompt(1_000))
    assert len(came_in) == 2, "both fit if the second provider answers"
    came_in[0].started("other-1")
    came_in[1].started("main")
    for number, admission in enumerate(came_in):
        fleet.leave(admission, number)
    await asyncio.sleep(2)
    assert fleet.window("money").used == 6_000 * 1_000_000
    await fleet.end()


@virtual_time
async def test_prompts_that_do_not_fit_do_not_ask_the_broker_one_by_one() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    await fleet.refused(0, prompt(2_000))
    calls = fleet.accounts.calls
    for _ in range(50):
        await fleet.refused(0, prompt(2_000))
    assert fleet.accounts.calls - calls <= 2
    await fleet.end()
