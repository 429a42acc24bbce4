"""The usage records that a worker writes: opened at the first event and closed once, for every kind of end."""

import asyncio

import pytest
from unit.support.fake_provider import wait
from unit.support.sessions import Stage
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import Finished, ReasoningDelta, Started, TextDelta, ToolCallDelta, UsageReported
from penstock_contract.usage.record import COUNT_MAX, GATEWAY_LOST, Tokens
from penstock_worker.providers.provider import ConnectionStale
from penstock_worker.sessions.checkpoints import between_checkpoints_s

PRICES = {"inputPerMillion": "1", "cachedInputPerMillion": "0.5", "outputPerMillion": "10"}
PRICED = [{"prices": PRICES}, {"prices": {"outputPerMillion": "20"}}]
WHOLE = (TextDelta("Hi"), UsageReported(100, 20, 40), Finished("stop"))


@virtual_time
async def test_usage_row_of_a_whole_answer_has_the_providers_count() -> None:
    stage = Stage((lambda call: call.emit(*WHOLE[:1]) or call.emit(*WHOLE[1:]),), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert row.tokens == Tokens(100, 40, 20)
    assert row.cost == "0.00028"
    assert (row.ended, row.attempts, row.provider, row.worker, row.gateway) == ("stop", 1, "a", "worker-1", "gw-1")


@virtual_time
async def test_usage_row_is_opened_before_the_ack() -> None:
    stage = Stage((wait,))
    await stage.settle()
    assert not stage.rows.opened
    stage.providers[0].calls[0].emit(TextDelta("Hi"))
    await stage.settle()
    (row,) = stage.rows.opened
    assert row.ended is None
    assert row.tokens.estimated
    assert stage.settled == [b"+ACK"]
    stage.task.cancel()
    await asyncio.wait([stage.task])


@virtual_time
async def test_usage_row_of_a_stopped_answer_has_the_workers_count_and_the_gateways_reason() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    stage.providers[0].calls[0].emit(TextDelta("one"), ReasoningDelta("two"), ToolCallDelta(0, "id", "f", "{}"))
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
async def test_usage_row_of_a_lost_gateway_names_it_and_the_stream_gets_an_end() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    stage.providers[0].calls[0].emit(TextDelta("one"))
    await stage.settle()
    stage.session.usage.stopped = GATEWAY_LOST
    stage.session.end(ErrorDetail("worker_lost", "no heartbeat arrived"))
    stage.task.cancel()
    await asyncio.wait([stage.task])
    (row,) = stage.rows.closed
    assert (row.ended, row.tokens.output) == (GATEWAY_LOST, 1)
    assert stage.session.stream.error == ErrorDetail("worker_lost", "no heartbeat arrived")
    assert stage.providers[0].calls[0].aborted


@virtual_time
async def test_usage_attempts_are_all_calls_and_the_crashed_workers_before() -> None:
    refused = PenstockError("provider_unavailable", "no")
    stage = Stage((refused,), (lambda call: call.emit(*WHOLE),), providers=PRICED, delivered=2)
    await stage.task
    (row,) = stage.rows.closed
    assert (row.attempts, row.provider, row.cost) == (3, "b", "0.0004")


@virtual_time
async def test_usage_of_an_unanswered_request_is_zero() -> None:
    stage = Stage((PenstockError("provider_rejected", "no"),), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert (row.ended, row.tokens, row.cost, row.first_token_s) == ("provider_rejected", Tokens(), "0", None)


@virtual_time
async def test_usage_of_a_request_stopped_before_the_first_event_is_the_sent_input() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    stage.session.usage.stopped = "cancelled"
    stage.task.cancel()
    await asyncio.wait([stage.task])
    (row,) = stage.rows.closed
    assert (row.tokens, row.cost, row.attempts) == (Tokens(6, 0, 0, estimated=True), "0.000006", 1)


@virtual_time
async def test_usage_counts_each_sent_call_at_its_providers_price() -> None:
    dear = {"prices": {"inputPerMillion": "100"}}
    stage = Stage(
        (wait,), (lambda call: call.emit(*WHOLE),), providers=[dear, PRICED[0]], limits={"firstTokenTimeoutSeconds": 9}
    )
    await stage.task
    (row,) = stage.rows.closed
    assert row.tokens == Tokens(106, 40, 20, estimated=True)
    assert row.cost == "0.00088", "6 tokens at 100 a million, and 0.00028"
    assert stage.events[1] == Started("b", 6, "0.0006")


@virtual_time
async def test_usage_counts_a_timed_out_call_without_a_later_one() -> None:
    stage = Stage((wait,), providers=PRICED[:1], retries=0, limits={"firstTokenTimeoutSeconds": 9})
    await stage.task
    (row,) = stage.rows.closed
    assert (row.ended, row.tokens, row.cost) == ("first_token_timeout", Tokens(6, 0, 0, estimated=True), "0.000006")


@virtual_time
async def test_usage_counts_the_input_of_a_connection_that_breaks_while_waiting() -> None:
    broken = PenstockError("provider_unavailable", "no")
    stage = Stage((lambda call: call.fail(broken), lambda call: call.emit(*WHOLE)), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert (row.tokens.input, row.tokens.estimated, row.cost, row.attempts) == (106, True, "0.000286", 2)


@virtual_time
async def test_usage_counts_nothing_for_an_error_of_the_provider() -> None:
    limited = PenstockError("provider_rate_limited", "no")
    stage = Stage((lambda call: call.fail(limited, refused=True), lambda call: call.emit(*WHOLE)), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert (row.tokens, row.cost, row.attempts) == (Tokens(100, 40, 20), "0.00028", 2)


@virtual_time
async def test_usage_counts_nothing_for_a_stale_connection() -> None:
    stage = Stage((lambda call: call.fail(ConnectionStale()), lambda call: call.emit(*WHOLE)), providers=PRICED[:1])
    await stage.task
    (row,) = stage.rows.closed
    assert (row.tokens, row.cost) == (Tokens(100, 40, 20), "0.00028")


@virtual_time
async def test_usage_bounds_a_count_beyond_64_bits() -> None:
    stage = Stage((lambda call: call.emit(TextDelta("Hi"), UsageReported(10**30, -5), Finished("stop")),))
    await stage.task
    assert UsageReported(COUNT_MAX, 0) in stage.events
    (row,) = stage.rows.closed
    assert row.tokens == Tokens(COUNT_MAX, 0, 0)


@virtual_time
async def test_usage_counts_the_output_of_an_answer_that_breaks_off() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    call = stage.providers[0].calls[0]
    call.emit(TextDelta("one"), TextDelta("two"))
    call.fail(PenstockError("provider_stream_broken", "broke off"))
    await stage.task
    (row,) = stage.rows.closed
    assert (row.ended, row.tokens.output, row.tokens.estimated) == ("provider_stream_broken", 2, True)


@virtual_time
async def test_usage_checkpoint_counts_sent_input_and_output_so_far() -> None:
    stage = Stage((wait,), providers=PRICED[:1])
    await stage.settle()
    sent = stage.session.usage.checkpoint()
    assert sent is not None
    assert (sent.input, sent.output, sent.cost) == (6, 0, 6 * 10**6)
    stage.providers[0].calls[0].emit(TextDelta("x" * 50))
    await stage.settle()
    await asyncio.sleep(2.0)
    counted = stage.session.usage.checkpoint()
    assert counted is not None
    assert (counted.id, counted.input, counted.output, counted.cost) == ("req_1", 6, 10, 6 * 10**6 + 10 * 10**7)
    assert counted.duration_s == 2.0
    stage.task.cancel()
    await asyncio.wait([stage.task])


@pytest.mark.parametrize(("open_", "seconds"), [(0, 0.03), (30, 0.03), (64, 0.064), (1000, 1.0)])
def test_usage_checkpoints_are_frequent_with_few_open_requests(open_: int, seconds: float) -> None:
    assert between_checkpoints_s(open_) == seconds
