"""What an input costs is set aside before anybody answers, and comes back if nobody does."""

import asyncio

import pytest
from msgspec.structs import replace
from unit.support.meters import PRICES, Fleet, key, prompt, resolution
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import PenstockError
from penstock_contract.events import UsageReported
from penstock_contract.keys import Budget
from penstock_contract.requests import EmbeddingsOperation, Operation
from penstock_contract.usage import Tokens, UsageRow
from penstock_gateway.meter import Admission


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
    "operation",
    [prompt(1_000), EmbeddingsOperation(body=b"{}", input_tokens=1_000, count=1)],
    ids=["chat", "embeddings"],
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
