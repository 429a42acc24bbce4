"""A start that is charged after the first token comes to the same as one that is charged before it."""

import asyncio

import pytest
from unit.support.limiters import PRICES, Fleet, key, prompt, resolution
from unit.support.streams import NOW, RecordingWriter, feed, make_stream
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorDetail
from penstock_contract.limits.api_keys import Budget
from penstock_contract.stream.events import Accepted, Started, TextDelta, UsageReported
from penstock_contract.usage.record import NOTHING_UNANSWERED, Unanswered
from penstock_gateway.limits.spenders import SLICE
from penstock_gateway.streaming.stream import Stream

MUCH = Budget(amount="100", period="Month")
LITTLE = Budget(amount="0.0005", period="Month")
EXPENSIVE = {"inputPerMillion": "10", "outputPerMillion": "10"}


async def _used(steps: str, unanswered: Unanswered, *, postponed: bool) -> tuple[int, int]:
    """Tokens and money of a key after one stream: `o` is a piece of output, `u` the usage, `i` an iteration."""
    fleet = Fleet(key(MUCH, tokens_per_minute=1_000_000, queue_share_percent=100), resolution(PRICES), gateways=1)
    charge = await fleet.admit(0, prompt(1_000))
    if postponed:
        charge.postpone_start("main", unanswered, lambda _: None)
    else:
        charge.record_start("main", unanswered)
    for step in steps:
        if step == "o":
            charge.record_output(8)
        elif step == "u":
            charge.record_usage(UsageReported(900, 30))
        else:
            await asyncio.sleep(0)
    charge.close()
    await asyncio.sleep(2.5)
    assert fleet.store.records["key.key_0123456789abcdef"][0].slots == {}
    used = fleet.window("tokens").used, fleet.window("money").used
    await fleet.end()
    return used


@pytest.mark.parametrize("steps", ["", "i", "o", "oi", "io", "ou", "u", "oiou", "o" * 3 * SLICE, "i" + "o" * 40 + "u"])
@pytest.mark.parametrize("unanswered", [NOTHING_UNANSWERED, Unanswered(70, "0.0007")], ids=["first call", "after one"])
@virtual_time
async def test_stream_charge_of_a_postponed_start_is_the_same(steps: str, unanswered: Unanswered) -> None:
    assert await _used(steps, unanswered, postponed=True) == await _used(steps, unanswered, postponed=False)


@virtual_time
async def test_stream_charge_counts_output_only_until_the_postponed_start() -> None:
    fleet = Fleet(key(MUCH), resolution(PRICES), gateways=1)
    charge = await fleet.admit(0, prompt(1_000))
    [lease] = charge.leases
    before = lease.money.used
    charge.postpone_start("main", NOTHING_UNANSWERED, lambda _: None)
    charge.record_output(8)
    charge.resize_slice()
    assert lease.money.used == before
    await asyncio.sleep(0)
    assert lease.money.used > before
    await fleet.end()


@virtual_time
async def test_stream_charge_ends_a_stream_whose_provider_is_too_expensive_for_the_budget() -> None:
    # Admitted by the price of the cheaper provider.
    fleet = Fleet(key(LITTLE), resolution(EXPENSIVE, {"inputPerMillion": "0.01"}), gateways=1)
    charge = await fleet.admit(0, prompt(1_000))
    errors: list[ErrorDetail] = []
    charge.postpone_start("main", NOTHING_UNANSWERED, errors.append)
    assert errors == []
    await asyncio.sleep(1)
    charge.record_output(4)
    assert charge.exhausted is not None
    assert charge.exhausted.code == "budget_exhausted"
    await fleet.end()


@virtual_time
async def test_stream_charge_lets_one_piece_pass_of_an_answer_that_arrives_at_once() -> None:
    fleet = Fleet(key(LITTLE), resolution(EXPENSIVE, {"inputPerMillion": "0.01"}), gateways=1)
    answer, client = make_stream(charge=await fleet.admit(0, prompt(1_000))), RecordingWriter()
    answer.attach(client)
    await asyncio.sleep(1.5)
    assert answer.charge is not None
    [lease] = answer.charge.leases
    lease.money.last, lease.money.mark = True, lease.money.used
    fed: list[Stream] = []
    feed(answer, Accepted("w", 0.1), Started("main"), TextDelta("one"))
    assert not answer.feed_text(1, 3, "two", NOW, fed)
    feed(answer, TextDelta("two"), from_seq=3)
    assert answer.error is not None
    assert answer.error.code == "budget_exhausted"
    assert b"one" in client.received
    assert b"two" not in client.received
    await fleet.end()
