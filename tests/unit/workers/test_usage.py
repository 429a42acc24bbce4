"""The rows that a worker writes of a request: opened at the first event, closed once, whatever the end."""

import asyncio

import pytest
from unit.support.sessions import Stage
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import Finished, ReasoningDelta, Started, TextDelta, ToolCallDelta, UsageReported
from penstock_contract.usage.record import COUNT_MAX, GATEWAY_LOST, Tokens
from penstock_worker.providers.fake_provider import wait
from penstock_worker.providers.provider import ConnectionStale
from penstock_worker.sessions.usage import between_checkpoints_s

PRICES = {"inputPerMillion": "1", "cachedInputPerMillion": "0.5", "outputPerMillion": "10"}
PRICED = [{"prices": PRICES}, {"prices": {"outputPerMillion": "20"}}]
WHOLE = (TextDelta("Hi"), UsageReported(100, 20, 40), Finished("stop"))


@virtual_time
async def test_a_whole_answer_is_closed_with_the_providers_count() -> None:
    stage = Stage((lambda call: call.say(*WHOLE[:1]) or call.say(*WHOLE[1:]),), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert row.tokens == Tokens(100, 40, 20)
    assert row.cost == "0.00028"
    assert (row.ended, row.attempts, row.provider, row.worker, row.gateway) == ("stop", 1, "a", "worker-1", "gw-1")


@virtual_time
async def test_the_row_is_open_before_the_request_is_acked() -> None:
    stage = Stage((wait,))
    await stage.settle()
    assert not stage.rows.opened
    stage.providers[0].calls[0].say(TextDelta("Hi"))
    await stage.settle()
    (row,) = stage.rows.opened
    assert row.ended is None
    assert row.tokens.estimated
    assert stage.settled == [b"+ACK"]
    stage.task.cancel()
    await asyncio.wait([stage.task])


@virtual_time
async def test_what_is_stopped_is_closed_with_our_own_count_and_the_reason_that_the_gateway_gave() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    stage.providers[0].calls[0].say(TextDelta("one"), ReasoningDelta("two"), ToolCallDelta(0, "id", "f", "{}"))
    await asyncio.sleep(2)
    stage.session.usage.stopped = "budget_exhausted"
    stage.task.cancel()
    await asyncio.wait([stage.task])
    (row,) = stage.rows.closed
    assert row.ended == "budget_exhausted"
    assert row.tokens == Tokens(4 + 2, 0, 3, estimated=True)
    assert row.cost == "0.000036"
    assert row.duration_s == pytest.approx(2)


@virtual_time
async def test_a_request_whose_gateway_died_says_so_in_its_row_and_an_end_to_whoever_still_listens() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    stage.providers[0].calls[0].say(TextDelta("one"))
    await stage.settle()
    stage.session.usage.stopped = GATEWAY_LOST
    stage.session.end(ErrorDetail("worker_lost", "nothing was heard"))
    stage.task.cancel()
    await asyncio.wait([stage.task])
    (row,) = stage.rows.closed
    assert (row.ended, row.tokens.output) == (GATEWAY_LOST, 1)
    assert stage.session.stream.error == ErrorDetail("worker_lost", "nothing was heard")
    assert stage.providers[0].calls[0].aborted


@virtual_time
async def test_attempts_are_all_calls_and_the_workers_that_died_before() -> None:
    refused = PenstockError("provider_unavailable", "no")
    stage = Stage((refused,), (lambda call: call.say(*WHOLE),), providers=PRICED, delivered=2)
    await stage.task
    (row,) = stage.rows.closed
    assert (row.attempts, row.provider, row.cost) == (3, "b", "0.0004")


@virtual_time
async def test_a_request_that_no_provider_answered_used_nothing() -> None:
    stage = Stage((PenstockError("provider_rejected", "no"),), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert (row.ended, row.tokens, row.cost, row.first_token_s) == ("provider_rejected", Tokens(), "0", None)


@virtual_time
async def test_a_request_that_is_stopped_before_the_first_event_has_used_the_input_that_was_sent() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    stage.session.usage.stopped = "cancelled"
    stage.task.cancel()
    await asyncio.wait([stage.task])
    (row,) = stage.rows.closed
    assert (row.tokens, row.cost, row.attempts) == (Tokens(6, 0, 0, estimated=True), "0.000006", 1)


@virtual_time
async def test_each_attempt_that_was_sent_counts_at_its_own_providers_price() -> None:
    dear = {"prices": {"inputPerMillion": "100"}}
    stage = Stage(
        (wait,), (lambda call: call.say(*WHOLE),), providers=[dear, PRICED[0]], limits={"firstTokenTimeoutSeconds": 9}
    )
    await stage.task
    (row,) = stage.rows.closed
    assert row.tokens == Tokens(106, 40, 20, estimated=True)
    assert row.cost == "0.00088", "6 tokens at 100 a million, and 0.00028"
    assert stage.events[1] == Started("b", 6, "0.0006")


@virtual_time
async def test_an_attempt_that_timed_out_counts_though_none_comes_after_it() -> None:
    stage = Stage((wait,), providers=PRICED[:1], retries=0, limits={"firstTokenTimeoutSeconds": 9})
    await stage.task
    (row,) = stage.rows.closed
    assert (row.ended, row.tokens, row.cost) == ("first_token_timeout", Tokens(6, 0, 0, estimated=True), "0.000006")


@virtual_time
async def test_a_connection_that_breaks_while_it_waits_has_taken_the_input() -> None:
    broken = PenstockError("provider_unavailable", "no")
    stage = Stage((lambda call: call.fail(broken), lambda call: call.say(*WHOLE)), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert (row.tokens.input, row.tokens.estimated, row.cost, row.attempts) == (106, True, "0.000286", 2)


@virtual_time
async def test_a_provider_that_answered_with_an_error_has_used_nothing() -> None:
    limited = PenstockError("provider_rate_limited", "no")
    stage = Stage((lambda call: call.fail(limited, refused=True), lambda call: call.say(*WHOLE)), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert (row.tokens, row.cost, row.attempts) == (Tokens(100, 40, 20), "0.00028", 2)


@virtual_time
async def test_a_connection_that_the_server_had_closed_has_used_nothing() -> None:
    stage = Stage((lambda call: call.fail(ConnectionStale()), lambda call: call.say(*WHOLE)), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert (row.tokens, row.cost) == (Tokens(100, 40, 20), "0.00028")


@virtual_time
async def test_a_count_that_no_64_bits_hold_is_bounded_before_it_is_sent() -> None:
    stage = Stage((lambda call: call.say(TextDelta("Hi"), UsageReported(10**30, -5), Finished("stop")),))
    await stage.task
    assert UsageReported(COUNT_MAX, 0) in stage.events
    (row,) = stage.rows.closed
    assert row.tokens == Tokens(COUNT_MAX, 0, 0)


@virtual_time
async def test_a_provider_that_breaks_off_leaves_what_it_said() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    call = stage.providers[0].calls[0]
    call.say(TextDelta("one"), TextDelta("two"))
    call.fail(PenstockError("provider_stream_broken", "broke off"))
    await stage.task
    (row,) = stage.rows.closed
    assert (row.ended, row.tokens.output, row.tokens.estimated) == ("provider_stream_broken", 2, True)


@virtual_time
async def test_a_checkpoint_counts_what_was_sent_and_what_has_begun() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    sent = stage.session.usage.counted()
    assert sent is not None
    assert (sent.input, sent.output, sent.cost) == (6, 0, 6 * 10**6)
    stage.providers[0].calls[0].say(TextDelta("x" * 50))
    await stage.settle()
    await asyncio.sleep(2.0)
    counted = stage.session.usage.counted()
    assert counted is not None
    assert (counted.id, counted.input, counted.output, counted.cost) == ("req_1", 6, 10, 6 * 10**6 + 10 * 10**7)
    assert counted.duration_s == 2.0
    stage.task.cancel()
    await asyncio.wait([stage.task])


@pytest.mark.parametrize(("open_", "seconds"), [(0, 0.03), (30, 0.03), (64, 0.064), (1000, 1.0)])
def test_checkpoints_are_frequent_while_there_is_little_to_note(open_: int, seconds: float) -> None:
    assert between_checkpoints_s(open_) == seconds
