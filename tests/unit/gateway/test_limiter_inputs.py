"""An input is charged before a provider answers, and returned if no provider received it."""

import asyncio

import pytest
from msgspec.structs import replace
from unit.support.limiters import PRICES, Fleet, key, prompt, resolution
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import PenstockError
from penstock_contract.limits.api_keys import Budget
from penstock_contract.request.operations import EmbeddingsOperation, Operation
from penstock_contract.stream.events import UsageReported
from penstock_contract.usage.record import COUNT_MAX, Tokens, Unanswered, UsageRow
from penstock_gateway.limits.stream_charge import StreamCharge

ROW = UsageRow(
    id="req_1", key="k", route="default.main", model="main", gateway="gw-0", started_at=1.0, ended="cancelled"
)


async def admitted_at_once(fleet: Fleet, count: int, operation: Operation) -> list[StreamCharge]:
    """The admitted ones of `count` concurrent requests, before any provider has answered."""
    attempts = (fleet.admit(number % len(fleet.limiters), operation) for number in range(count))
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    for answer in answers:
        assert isinstance(answer, StreamCharge) or (
            isinstance(answer, PenstockError) and answer.detail.code == "budget_exhausted"
        )
    return [answer for answer in answers if isinstance(answer, StreamCharge)]


@virtual_time
async def test_limiter_rejects_a_prompt_that_costs_more_than_is_left() -> None:
    fleet = Fleet(key(Budget(amount="0.02", period="Day")), resolution({"inputPerMillion": "3"}))
    assert not await admitted_at_once(fleet, 50, prompt(100_000))
    error = await fleet.rejection(0, prompt(100_000))
    assert error.message == "what is left of the budget of the API key does not pay for the input of this request"
    (await fleet.admit(0, prompt(6_000))).close(queued=False)
    await asyncio.sleep(2)
    assert fleet.window("money").used == 0, "the broker refused it"
    await fleet.end()


@virtual_time
async def test_limiter_leases_no_money_for_prompts_that_do_not_fit() -> None:
    fleet = Fleet(key(Budget(amount="0.02", period="Day")), resolution(PRICES))
    attempts = [asyncio.create_task(fleet.rejection(0, prompt(30_000))) for _ in range(10)]
    await asyncio.wait(attempts)
    (await fleet.admit(1, prompt(15_000))).close()
    assert {attempt.result().code for attempt in attempts} == {"budget_exhausted"}
    await fleet.end()


@pytest.mark.parametrize(
    "operation",
    [prompt(1_000), EmbeddingsOperation(body=b"{}", input_tokens=1_000, count=1)],
    ids=["chat", "embeddings"],
)
@virtual_time
async def test_limiter_admits_concurrent_prompts_within_the_budget(operation: Operation) -> None:
    fleet = Fleet(key(Budget(amount="0.0105", period="Day")), resolution(PRICES))
    came_in = await admitted_at_once(fleet, 50, operation)
    assert len(came_in) == 10, "a thousandth each"
    for charge in came_in:
        charge.record_start("main")
        charge.record_usage(UsageReported(1_000, 0, 0))
        charge.close()
    await asyncio.sleep(2)
    assert fleet.window("money").used == 10 * 1_000 * 1_000_000
    await fleet.end()


@virtual_time
async def test_limiter_returns_the_charge_of_an_input_that_no_provider_received() -> None:
    fleet = Fleet(key(Budget(amount="0.0105", period="Day"), tokens_per_minute=100_000), resolution(PRICES), gateways=1)
    for _ in range(3):
        came_in = await admitted_at_once(fleet, 50, prompt(1_000))
        assert len(came_in) == 10
        for charge in came_in:
            charge.close()
            charge.record_final(ROW)
    await asyncio.sleep(2)
    assert (fleet.window("money").used, fleet.window("tokens").used) == (0, 0)
    await fleet.end()


@virtual_time
async def test_limiter_charges_a_sent_input_until_the_final_usage_record() -> None:
    fleet = Fleet(key(Budget(amount="1", period="Total")), resolution(PRICES))
    charge = await fleet.admit(0, prompt(1_000))
    charge.close()
    await asyncio.sleep(2)
    assert fleet.window("money").used == 1_000 * 1_000_000
    charge.record_final(replace(ROW, tokens=Tokens(1_000, 0, 3), cost="0.00103", ended="cancelled"))
    await asyncio.sleep(2)
    assert fleet.window("money").used == 1_030 * 1_000_000
    await fleet.end()


@virtual_time
async def test_limiter_charges_unanswered_calls_with_the_first_event() -> None:
    fleet = Fleet(key(Budget(amount="1", period="Total")), resolution(PRICES), gateways=1)
    charge = await fleet.admit(0, prompt(1_000))
    charge.record_start("main", Unanswered(2_000, "0.01"))
    await asyncio.sleep(2)
    assert fleet.window("money").used == 11_000 * 1_000_000
    charge.record_usage(UsageReported(500, 0))
    await asyncio.sleep(2)
    assert fleet.window("money").used == 10_500 * 1_000_000
    await fleet.end()


@virtual_time
async def test_limiter_charges_a_final_usage_record_that_arrives_early() -> None:
    fleet = Fleet(key(Budget(amount="1", period="Total")), resolution(PRICES), gateways=1)
    charge = await fleet.admit(0, prompt(1_000))
    charge.record_start("main")
    charge.record_final(replace(ROW, tokens=Tokens(10, 0, 1), cost="0.002"))
    charge.record_output(400)
    charge.close()
    await asyncio.sleep(2)
    assert fleet.window("money").used == 2_000 * 1_000_000
    await fleet.end()


@pytest.mark.parametrize("usage", [UsageReported(-(10**6), -(10**6)), UsageReported(-(10**30), 0, -(10**6))])
@virtual_time
async def test_limiter_gives_no_credit_for_a_negative_count(usage: UsageReported) -> None:
    fleet = Fleet(key(Budget(amount="0.01", period="Total"), tokens_per_minute=100), resolution(PRICES), gateways=1)
    for _ in range(3):
        charge = await fleet.admit()
        charge.record_start("main")
        charge.record_usage(usage)
        charge.close()
        charge.record_final(replace(ROW, tokens=Tokens(-(10**6), 0, 0), cost="-1000"))
    await asyncio.sleep(2)
    assert (fleet.window("money").used, fleet.window("tokens").used) == (0, 0)
    await fleet.end()


@virtual_time
async def test_limiter_bounds_an_absurd_count() -> None:
    fleet = Fleet(key(Budget(amount="0.01", period="Total")), resolution(PRICES), gateways=1)
    charge = await fleet.admit()
    charge.record_start("main")
    charge.record_usage(UsageReported(10**40, 10**40))
    charge.close()
    await asyncio.sleep(2)
    assert (await fleet.rejection()).code == "budget_exhausted"
    assert fleet.window("money").used == COUNT_MAX * 11 * 10**6
    await fleet.end()


@virtual_time
async def test_limiter_charges_an_input_at_the_cheapest_price_and_corrects_it_to_the_providers() -> None:
    fleet = Fleet(
        key(Budget(amount="0.006", period="Day")), resolution({"inputPerMillion": "5"}, {"inputPerMillion": "1"})
    )
    came_in = await admitted_at_once(fleet, 2, prompt(1_000))
    assert len(came_in) == 2, "both fit if the second provider answers"
    came_in[0].record_start("other-1")
    came_in[1].record_start("main")
    for charge in came_in:
        charge.close()
    await asyncio.sleep(2)
    assert fleet.window("money").used == 6_000 * 1_000_000
    await fleet.end()


@virtual_time
async def test_limiter_does_not_synchronise_for_each_prompt_that_does_not_fit() -> None:
    fleet = Fleet(key(Budget(amount="0.001", period="Day")), resolution(PRICES), gateways=1)
    await fleet.rejection(0, prompt(2_000))
    calls = fleet.store.calls
    for _ in range(50):
        await fleet.rejection(0, prompt(2_000))
    assert fleet.store.calls - calls <= 2
    await fleet.end()
