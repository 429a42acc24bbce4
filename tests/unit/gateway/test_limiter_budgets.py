"""Budgets: streams that use a budget up end with the reason, over all gateways."""

import asyncio

import pytest
from unit.support.limiters import PRICES, Fleet, key, prompt, resolution, stream
from unit.support.streams import RecordingWriter, feed, make_stream
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorDetail
from penstock_contract.limits.api_keys import Budget
from penstock_contract.limits.lease_record import Period
from penstock_contract.stream.events import Accepted, Finished, Started, TextDelta, UsageReported
from penstock_gateway.limits.spenders import SLICE


@pytest.mark.parametrize("latency_s", [0.0, 0.002, 0.015])
@virtual_time
async def test_limiter_ends_streams_that_used_up_their_shared_budget(latency_s: float) -> None:
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
async def test_limiter_gives_one_gateway_a_budget_that_another_used_before() -> None:
    fleet = Fleet(key(Budget(amount="0.01", period="Total")), resolution(PRICES))
    errors: list[ErrorDetail] = []
    first = await asyncio.gather(*(stream(fleet, 1, 20, errors) for _ in range(2)))
    await asyncio.sleep(1.5)
    rest = await asyncio.gather(*(stream(fleet, 0, 1000, errors) for _ in range(2)))
    spent = sum(4 + 10 * tokens for tokens in (*first, *rest))
    assert 9_500 <= spent <= 10_000 + 2 * 10
    await fleet.end()


@virtual_time
async def test_limiter_reserves_nothing_for_a_request_that_may_become_long() -> None:
    fleet = Fleet(key(Budget(amount="0.01", period="Day")), resolution(PRICES))
    errors: list[ErrorDetail] = []
    got = await asyncio.gather(*(stream(fleet, number % 2, 14, errors) for number in range(60)))
    assert got == [14] * 60, "0.00864 of 0.01"
    assert not errors
    await fleet.end()


@virtual_time
async def test_limiter_renews_a_budget_with_its_period() -> None:
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
async def test_limiter_gives_no_retry_time_for_a_budget_that_time_does_not_renew(period: Period, tokens: int) -> None:
    fleet = Fleet(key(Budget(amount="0.001", period=period)), resolution(PRICES))
    await stream(fleet, 0, 1000, [])
    assert (await fleet.rejection(0, prompt(tokens))).retry_after_s is None
    await fleet.end()


@virtual_time
async def test_limiter_does_not_end_free_streams() -> None:
    fleet = Fleet(key(Budget(amount="0", period="Total")), resolution())
    errors: list[ErrorDetail] = []
    assert await stream(fleet, 0, 50, errors) == 50
    await fleet.end()


@virtual_time
async def test_limiter_replaces_its_estimate_by_the_providers_count() -> None:
    fleet = Fleet(key(Budget(amount="1", period="Total"), tokens_per_minute=10_000), resolution(PRICES))
    charge = await fleet.admit()
    charge.record_start("main")
    for _ in range(10):
        charge.record_output(3)
    charge.record_usage(UsageReported(1000, 25, 0))
    charge.close()
    await asyncio.sleep(2)
    assert fleet.window("tokens").used == 1025
    assert fleet.window("money").used == 1_250 * 1_000_000
    await fleet.end()


@virtual_time
async def test_limiter_ends_a_stream_without_the_broker_when_its_lease_is_spent() -> None:
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
async def test_limiter_spends_no_more_than_a_piece_per_stream_beyond_its_lease_without_the_broker() -> None:
    fleet = Fleet(key(Budget(amount="100", period="Day")), resolution(PRICES), gateways=1)
    errors: list[ErrorDetail] = []
    streaming = [asyncio.create_task(stream(fleet, 0, 10_000, errors)) for _ in range(20)]
    charge = await fleet.admit()
    await asyncio.sleep(3)
    fleet.store.away = True
    await asyncio.gather(*streaming)
    assert len(errors) == 20
    money = charge.leases[0].money
    assert money.used - money.amount <= 20 * 10 * 1_000_000
    await fleet.end()


@pytest.mark.parametrize("pace_s", [0.02, 0.2, 1.0])
@virtual_time
async def test_limiter_lets_streams_of_any_pace_collect_tokens_while_a_budget_is_far_from_its_end(
    pace_s: float,
) -> None:
    fleet = Fleet(key(Budget(amount="100", period="Day")), resolution(PRICES), gateways=1)
    streaming = [asyncio.create_task(stream(fleet, 0, 10, [], pace_s)) for _ in range(8)]
    charge = await fleet.admit()
    await asyncio.sleep(5 * pace_s)
    assert {lease.spenders.slice for lease in charge.leases} == {SLICE}
    await asyncio.gather(*streaming)
    await fleet.end()


@virtual_time
async def test_limiter_keeps_a_budget_when_many_streams_start_between_two_synchronisations() -> None:
    free_input = {"inputPerMillion": "0", "outputPerMillion": "10"}
    fleet = Fleet(key(Budget(amount="0.0135", period="Total")), resolution(free_input), gateways=1)
    errors: list[ErrorDetail] = []
    first = asyncio.create_task(stream(fleet, 0, 10_000, errors))
    await asyncio.sleep(1.2)
    rest = await asyncio.gather(*(stream(fleet, 0, 10_000, errors) for _ in range(600)))
    spent = 10 * sum((await first, *rest))
    assert 12_500 <= spent <= 13_500 + 601 * 10
    await fleet.end()


@virtual_time
async def test_limiter_charges_the_use_of_a_paused_gateway_once() -> None:
    fleet = Fleet(key(Budget(amount="0.1", period="Total")), resolution(PRICES))
    charge = await fleet.admit(0)
    charge.record_start("main")
    charge.record_output(4)
    await fleet.kill(0)
    await asyncio.sleep(7)
    (await fleet.admit(1)).close(queued=False)
    await asyncio.sleep(2)
    charge.close()
    await fleet.limiters[0].close()
    assert fleet.window("money").used == (4 * 1 + 1 * 10) * 1_000_000
    await fleet.end()


@virtual_time
async def test_limiter_ends_the_first_stream_of_a_key_with_its_budget() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    charge = await fleet.admit()
    error = charge.record_start("main")
    got = 0
    while error is None and got < 1_000:
        await asyncio.sleep(0.002)
        error = charge.record_output(4)
        got += 1
    assert error is not None
    assert error.code == "budget_exhausted"
    assert got <= 101, "0.000004 of input and 0.00001 for each piece"
    await fleet.end()


@virtual_time
async def test_limiter_ends_a_stream_before_the_next_event_when_another_used_up_the_budget() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    streams = [make_stream(charge=await fleet.admit()) for _ in range(2)]
    client = RecordingWriter()
    streams[1].attach(client)
    for stream_ in streams:
        feed(stream_, Accepted("w", 0.1), Started("main"), TextDelta("one"))
    for seq in range(3, 103):
        feed(streams[0], TextDelta("more"), from_seq=seq)
        await asyncio.sleep(0.01)
    assert streams[0].error is not None
    assert streams[1].exhausted == streams[0].error

    feed(streams[1], TextDelta("two"), from_seq=3)
    assert streams[1].error == streams[0].error
    assert b"two" not in client.received
    await fleet.end()


@virtual_time
async def test_limiter_does_not_end_a_stream_by_its_own_final_count() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    answers = [make_stream(charge=await fleet.admit()) for _ in range(2)]
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
