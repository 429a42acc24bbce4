"""Money: streams that use a budget up end with the reason, whoever counts."""

import asyncio

import pytest
from unit.support.limiters import PRICES, Fleet, key, prompt, resolution, stream
from unit.support.streams import feed, make_stream
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorDetail
from penstock_contract.limits.keys import Budget
from penstock_contract.limits.lease_record import Period
from penstock_contract.stream.events import Accepted, Finished, Started, TextDelta, UsageReported


@pytest.mark.parametrize("latency_s", [0.0, 0.002, 0.015])
@virtual_time
async def test_streams_that_share_a_budget_use_it_up_and_end_with_the_reason(latency_s: float) -> None:
    # 50 streams of 4 tokens in and 200 out would cost 0.1002.
    fleet = Fleet(key(Budget(amount="0.05", period="Day")), resolution(PRICES))
    fleet.store.latency_s = latency_s
    errors: list[ErrorDetail] = []
    got = await asyncio.gather(*(stream(fleet, number % 2, 200, errors) for number in range(50)))
    spent = sum(4 * 1 + tokens * 10 for tokens in got)  # in millionths
    assert spent <= 50_000 + 50 * 10
    assert spent >= 0.95 * 50_000
    assert len(errors) == 50
    assert {(error.code, error.message) for error in errors} == {
        ("budget_exhausted", "the budget of the API key is used up")
    }
    assert (await fleet.rejection()).code == "budget_exhausted"
    await asyncio.sleep(2)
    assert fleet.window("money").used == spent * 1_000_000
    await fleet.end()


@virtual_time
async def test_a_budget_is_usable_from_one_gateway_though_another_was_busy_before() -> None:
    fleet = Fleet(key(Budget(amount="0.01", period="Total")), resolution(PRICES))
    errors: list[ErrorDetail] = []
    first = await asyncio.gather(*(stream(fleet, 1, 20, errors) for _ in range(2)))
    await asyncio.sleep(1.5)
    rest = await asyncio.gather(*(stream(fleet, 0, 1000, errors) for _ in range(2)))
    spent = sum(4 + 10 * tokens for tokens in (*first, *rest))
    assert 9_500 <= spent <= 10_000 + 2 * 10
    await fleet.end()


@virtual_time
async def test_nothing_is_reserved_for_a_request_that_may_become_long() -> None:
    fleet = Fleet(key(Budget(amount="0.01", period="Day")), resolution(PRICES))
    errors: list[ErrorDetail] = []
    got = await asyncio.gather(*(stream(fleet, number % 2, 14, errors) for number in range(60)))
    assert got == [14] * 60, "0.00864 of 0.01"
    assert not errors
    await fleet.end()


@virtual_time
async def test_a_budget_begins_anew_with_its_period() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES))
    errors: list[ErrorDetail] = []
    await stream(fleet, 0, 1000, errors)
    error = await fleet.rejection(1)
    assert error.retry_after_s is not None
    await asyncio.sleep(error.retry_after_s)
    assert await stream(fleet, 1, 5, errors) == 5
    await fleet.end()


@pytest.mark.parametrize(("period", "tokens"), [("Total", 4), ("Day", 2_000)], ids=["for good", "too long a prompt"])
@virtual_time
async def test_a_budget_that_time_does_not_bring_back_says_no_time(period: Period, tokens: int) -> None:
    fleet = Fleet(key(Budget(amount="0.001", period=period)), resolution(PRICES))
    await stream(fleet, 0, 1000, [])
    assert (await fleet.rejection(0, prompt(tokens))).retry_after_s is None
    await fleet.end()


@virtual_time
async def test_a_budget_does_not_end_what_costs_nothing() -> None:
    fleet = Fleet(key(Budget(amount="0", period="Total")), resolution())
    errors: list[ErrorDetail] = []
    assert await stream(fleet, 0, 50, errors) == 50
    await fleet.end()


@virtual_time
async def test_the_providers_count_replaces_ours() -> None:
    fleet = Fleet(key(Budget(amount="1", period="Total"), tokens_per_minute=10_000), resolution(PRICES))
    admission = await fleet.admit()
    admission.record_start("main")
    for _ in range(10):
        admission.record_output(3)
    admission.record_usage(UsageReported(1000, 25, 0))
    admission.close()
    await asyncio.sleep(2)
    assert fleet.window("tokens").used == 1025
    assert fleet.window("money").used == 1_250 * 1_000_000
    await fleet.end()


@virtual_time
async def test_without_the_broker_a_stream_spends_its_gateways_lease_and_ends() -> None:
    fleet = Fleet(key(Budget(amount="100", period="Day")), resolution(PRICES), gateways=1)
    errors: list[ErrorDetail] = []
    streaming = asyncio.create_task(stream(fleet, 0, 10_000, errors))
    await asyncio.sleep(3)
    fleet.store.away = True
    got = await streaming
    assert [error.code for error in errors] == ["broker_unavailable"]
    assert 150 < got < 300
    await fleet.end()


@virtual_time
async def test_a_gateway_that_stood_still_pays_once_for_what_it_used() -> None:
    fleet = Fleet(key(Budget(amount="0.1", period="Total")), resolution(PRICES))
    admission = await fleet.admit(0)
    admission.record_start("main")
    admission.record_output(4)
    await fleet.kill(0)
    await asyncio.sleep(7)
    (await fleet.admit(1)).close(queued=False)
    await asyncio.sleep(2)
    admission.close()
    await fleet.limiters[0].close()
    assert fleet.window("money").used == (4 * 1 + 1 * 10) * 1_000_000
    await fleet.end()


@virtual_time
async def test_the_first_stream_of_a_key_ends_with_the_budget_however_fast_it_is() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    admission = await fleet.admit()
    error = admission.record_start("main")
    got = 0
    while error is None and got < 1_000:
        await asyncio.sleep(0.002)
        error = admission.record_output(4)
        got += 1
    assert error is not None
    assert error.code == "budget_exhausted"
    assert got <= 101, "0.000004 of input and 0.00001 for each piece"
    await fleet.end()


@virtual_time
async def test_an_answer_whose_provider_has_finished_is_whole_though_its_count_empties_the_budget() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    answers = [make_stream(admission=await fleet.admit()) for _ in range(2)]
    for answer in answers:
        feed(answer, Accepted("w", 0.1), Started("main"), TextDelta("one"))
    feed(answers[0], UsageReported(4, 200), from_seq=3)
    await asyncio.sleep(1.5)
    feed(answers[1], TextDelta("two"), from_seq=3)
    assert answers[1].error is not None
    assert answers[1].error.code == "budget_exhausted"
    feed(answers[0], Finished("stop"), from_seq=4)
    assert (answers[0].error, answers[0].record().finished) == (None, Finished("stop"))
    await fleet.end()
