"""One request in a worker's hands: what is said, what is tried, and when the queue hears that it is done."""

import asyncio
from collections.abc import Sequence

import pytest
from unit.support.sessions import PROMPT, Stage
from unit.support.virtual_time import EPOCH, virtual_time

from penstock_contract.errors import ErrorCode, ErrorDetail, PenstockError
from penstock_contract.events import Accepted, Event, Failed, Finished, Started, TextDelta, UsageReported
from penstock_contract.usage import UsageRow
from penstock_worker.calls import ConnectionStale
from penstock_worker.fake_provider import FakeCall, wait
from penstock_worker.session import CONFIRM_LATE_S
from penstock_worker.table import SessionTable

ACK, TERM, WPI = b"+ACK", b"+TERM", b"+WPI"
ACCEPTED = Accepted("worker-1", 0.0, 1)
STARTED = Started("a", "asked-for")
HI = TextDelta("Hi")
USAGE = UsageReported(3, 1)
STOP = Finished("stop")


def answer(call: FakeCall) -> None:
    call.say(HI)
    call.say(USAGE, STOP)
    call.end()


def error(code: ErrorCode, retry_after_s: float | None = None) -> PenstockError:
    return PenstockError(code, "words", retry_after_s=retry_after_s)


def failed_of(events: Sequence[Event]) -> ErrorDetail:
    last = events[-1]
    assert isinstance(last, Failed)
    return last.error


# The good way


@virtual_time
async def test_an_answer_is_said_in_order_and_ends_once() -> None:
    stage = Stage((answer,))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, USAGE, STOP]


@virtual_time
async def test_a_request_is_acked_exactly_at_the_first_event() -> None:
    stage = Stage((wait,))
    await stage.settle()
    assert (stage.events, stage.settled) == ([ACCEPTED], [])

    stage.providers[0].calls[0].say(HI)
    await stage.settle()
    assert (stage.events, stage.settled) == ([ACCEPTED, STARTED, HI], [ACK])

    stage.providers[0].calls[0].say(STOP)
    await stage.task
    assert stage.settled == [ACK]


@virtual_time
async def test_the_ack_timer_is_restarted_until_the_first_event_and_not_after() -> None:
    stage = Stage((wait,))
    await stage.settle()
    await stage.session.keep()
    await stage.session.keep()
    stage.providers[0].calls[0].say(HI)
    await stage.settle()
    await stage.session.keep()

    assert stage.settled == [WPI, WPI, ACK]


@virtual_time
async def test_an_answer_that_comes_in_one_read_is_said_like_any_other() -> None:
    stage = Stage((lambda call: call.say(HI, USAGE, STOP),))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, USAGE, STOP]
    assert stage.settled == [ACK]


@virtual_time
async def test_an_answer_without_a_word_is_an_answer() -> None:
    stage = Stage((lambda call: call.say(STOP),))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, STOP]


@virtual_time
async def test_the_provider_is_asked_for_its_own_name_of_the_model() -> None:
    stage = Stage((answer,), providers=[{"model": "its-own"}])
    await stage.task

    assert stage.providers[0].calls[0].model == "its-own"
    assert stage.events[1] == Started("a", "its-own")


@virtual_time
async def test_without_a_name_of_its_own_it_is_asked_for_the_clients() -> None:
    stage = Stage((answer,))
    await stage.task

    assert stage.providers[0].calls[0].model == "asked-for"


@virtual_time
async def test_the_provider_gets_the_operation_and_the_routes_connect_timeout() -> None:
    stage = Stage((answer,), limits={"connectTimeoutSeconds": 1.5})
    await stage.task

    [call] = stage.providers[0].calls
    assert call.connect_timeout_s == 1.5
    assert call.operation.messages[0].content == PROMPT  # type: ignore[union-attr]


@virtual_time
async def test_the_time_in_the_queue_is_told() -> None:
    stage = Stage((answer,), published_at=EPOCH - 2.5)
    await stage.task

    assert stage.events[0] == Accepted("worker-1", 2.5, 1)


@virtual_time
async def test_a_gateway_whose_clock_is_ahead_makes_no_negative_wait() -> None:
    stage = Stage((answer,), published_at=EPOCH + 9)
    await stage.task

    assert stage.events[0] == ACCEPTED


# What is not served


@virtual_time
async def test_a_request_whose_deadline_has_passed_is_discarded_unheard() -> None:
    stage = Stage((answer,), deadline_at=EPOCH)
    await stage.task

    assert (stage.events, stage.settled) == ([], [TERM])
    assert stage.providers[0].opened_at == []


@virtual_time
async def test_a_request_that_killed_three_workers_is_not_tried_by_a_fourth() -> None:
    stage = Stage((answer,), delivered=4)
    await stage.task

    assert failed_of(stage.events).code == "worker_lost"
    assert stage.settled == [TERM]
    assert stage.providers[0].opened_at == []


@virtual_time
async def test_a_third_delivery_is_still_served() -> None:
    stage = Stage((answer,), delivered=3)
    await stage.task

    assert stage.events[-1] == STOP


# Failures before the first event


@virtual_time
async def test_a_failure_before_the_first_event_is_told_and_the_request_discarded() -> None:
    stage = Stage((error("provider_rejected"),))
    await stage.task

    assert stage.events == [ACCEPTED, Failed(error("provider_rejected").detail)]
    assert stage.settled == [TERM]


@virtual_time
async def test_a_failure_that_would_be_the_same_everywhere_is_final() -> None:
    stage = Stage((error("provider_rejected"),), (answer,))
    await stage.task

    assert stage.providers[1].opened_at == []


@virtual_time
async def test_the_next_provider_is_tried_when_one_cannot_serve() -> None:
    stage = Stage((error("provider_auth_failed"),), (answer,))
    await stage.task

    assert stage.events == [ACCEPTED, Started("b", "asked-for"), HI, USAGE, STOP]
    assert len(stage.providers[0].opened_at) == 1


@virtual_time
async def test_the_next_provider_is_tried_at_once() -> None:
    stage = Stage((error("provider_unavailable"),), (answer,), draw=0.0)
    await stage.task

    assert stage.providers[0].opened_at == stage.providers[1].opened_at
    assert stage.events[1] == Started("b", "asked-for")


@virtual_time
async def test_the_only_provider_is_tried_again_after_growing_pauses() -> None:
    stage = Stage((error("provider_unavailable"),), retries=2, draw=0.0)
    await stage.task

    first, second, third = stage.providers[0].opened_at
    assert (second - first, third - second) == (pytest.approx(0.125), pytest.approx(0.25))


@virtual_time
async def test_a_call_that_fails_after_it_was_opened_is_tried_again_too() -> None:
    stage = Stage((lambda call: call.fail(error("provider_unavailable")), answer))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, USAGE, STOP]
    assert len(stage.providers[0].calls) == 2


@virtual_time
async def test_a_retry_after_is_waited_for() -> None:
    stage = Stage((error("provider_rate_limited", 3), answer))
    await stage.task

    first, second = stage.providers[0].opened_at
    assert second - first == pytest.approx(3)
    assert stage.events[-1] == STOP


@virtual_time
async def test_a_retry_after_that_is_too_long_is_handed_to_the_client_at_once() -> None:
    stage = Stage((error("provider_rate_limited", 60),))
    await stage.task

    assert failed_of(stage.events) == error("provider_rate_limited", 60).detail
    assert stage.elapsed_s == 0


@virtual_time
async def test_the_last_error_is_told_when_every_provider_failed() -> None:
    stage = Stage((error("provider_unavailable"),), (error("provider_rate_limited", 60),), retries=0)
    await stage.task

    assert failed_of(stage.events).code == "provider_rate_limited"


@virtual_time
async def test_a_pause_beyond_the_deadline_is_not_waited_for() -> None:
    stage = Stage((error("provider_rate_limited", 7),), deadline_at=EPOCH + 5)
    await stage.task

    assert stage.elapsed_s == 0
    assert failed_of(stage.events).code == "provider_rate_limited"


@virtual_time
async def test_a_stale_connection_costs_neither_a_try_nor_a_pause() -> None:
    stage = Stage((ConnectionStale(), ConnectionStale(), answer), retries=0)
    await stage.task

    assert stage.events[-1] == STOP
    assert stage.elapsed_s == 0


@virtual_time
async def test_an_empty_answer_is_a_broken_stream() -> None:
    stage = Stage((lambda call: call.end(),), retries=0)
    await stage.task

    assert failed_of(stage.events).code == "provider_stream_broken"
    assert stage.settled == [TERM]


@virtual_time
async def test_an_error_that_nobody_expected_is_told_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    def explode(call: FakeCall) -> None:
        del call
        raise KeyError("a secret of ours")

    stage = Stage((explode,))
    await stage.task

    assert failed_of(stage.events) == ErrorDetail("internal_error", "internal error")
    assert stage.settled == [TERM]
    assert "worker.request_failed" in capsys.readouterr().out


# The first token


@virtual_time
async def test_a_first_token_that_is_too_late_aborts_the_call_and_tries_the_next_provider() -> None:
    stage = Stage((wait,), (answer,), limits={"firstTokenTimeoutSeconds": 9})
    await stage.task

    assert stage.providers[0].calls[0].aborted
    assert stage.elapsed_s == pytest.approx(9)
    assert stage.events[1] == Started("b", "asked-for")


@virtual_time
async def test_a_first_token_that_is_too_late_everywhere_is_told() -> None:
    stage = Stage((wait,), limits={"firstTokenTimeoutSeconds": 9})
    await stage.task

    assert failed_of(stage.events).code == "first_token_timeout"
    assert stage.settled == [TERM]


@virtual_time
async def test_the_deadline_bounds_the_wait_for_the_first_token() -> None:
    stage = Stage((wait,), deadline_at=EPOCH + 4)
    await stage.task

    assert stage.elapsed_s == pytest.approx(4)


def says_at(when_s: float) -> object:
    def act(call: FakeCall) -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() + when_s, answer, call)

    return act


@virtual_time
async def test_a_first_token_in_the_same_moment_as_its_timeout_is_not_mixed_with_the_next_answer() -> None:
    stage = Stage((says_at(9.0),), (answer,), limits={"firstTokenTimeoutSeconds": 9})  # type: ignore[arg-type]
    await stage.task

    # Either may win, but one must: an accepted request, one provider, its whole answer.
    assert stage.events in (
        [ACCEPTED, STARTED, HI, USAGE, STOP],
        [ACCEPTED, Started("b", "asked-for"), HI, USAGE, STOP],
    )
    assert stage.settled == [ACK]


@virtual_time
async def test_a_first_token_just_before_its_timeout_is_the_answer() -> None:
    stage = Stage((wait,), (answer,), limits={"firstTokenTimeoutSeconds": 9})
    loop = asyncio.get_running_loop()
    await stage.settle()
    # In one moment, the token first: the timeout finds the future done and its task not yet awake.
    loop.call_at(1009.0 - 1e-12, answer, stage.providers[0].calls[0])
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, USAGE, STOP]
    assert stage.providers[1].opened_at == []


# After the first event


@virtual_time
async def test_a_failure_after_the_first_event_ends_the_stream_and_nothing_is_tried_again() -> None:
    stage = Stage((wait,), (answer,))
    await stage.settle()
    stage.providers[0].calls[0].say(HI)
    stage.providers[0].calls[0].fail(error("provider_stream_broken"))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, Failed(error("provider_stream_broken").detail)]
    assert stage.settled == [ACK]
    assert stage.providers[1].opened_at == []


@virtual_time
async def test_an_answer_that_stops_without_its_finish_is_broken() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.providers[0].calls[0].say(HI)
    stage.providers[0].calls[0].end()
    await stage.task

    assert failed_of(stage.events).code == "provider_stream_broken"


@virtual_time
async def test_words_after_the_finish_change_nothing() -> None:
    stage = Stage((answer,))
    await stage.task
    stage.providers[0].calls[0].fail(error("provider_unavailable"))

    assert stage.events[-1] == STOP
    assert not stage.providers[0].calls[0].aborted


# Limits


async def streaming(**limits: float) -> tuple[Stage, FakeCall]:
    stage = Stage((wait,), limits=limits)
    await stage.settle()
    [call] = stage.providers[0].calls
    call.say(HI)
    await stage.settle()
    return stage, call


@virtual_time
async def test_a_provider_that_stops_in_the_middle_is_given_up_after_the_idle_timeout() -> None:
    stage, call = await streaming(idleTimeoutSeconds=5)
    stage.session.check_time(call.active_at + 5)
    assert not stage.task.done()

    stage.session.check_time(call.active_at + 5.1)
    await stage.task

    assert failed_of(stage.events).code == "idle_timeout"
    assert call.aborted


@virtual_time
async def test_every_sign_of_life_restarts_the_idle_timeout() -> None:
    stage, call = await streaming(idleTimeoutSeconds=5)
    call.active_at += 3
    stage.session.check_time(call.active_at + 4)
    await stage.settle()

    assert stage.events[-1] == HI


@virtual_time
async def test_an_answer_that_goes_on_beyond_the_deadline_is_ended() -> None:
    stage, call = await streaming()
    await asyncio.sleep(600)
    stage.session.check_time(call.active_at)
    await stage.task

    assert failed_of(stage.events).code == "request_timeout"
    assert call.aborted


@virtual_time
async def test_time_says_nothing_before_the_first_event() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.session.check_time(1e9)
    await stage.settle()

    assert stage.events == [ACCEPTED]


@virtual_time
async def test_time_says_nothing_after_the_end() -> None:
    stage = Stage((answer,))
    await stage.task
    stage.session.check_time(1e9)

    assert stage.events[-1] == STOP


# Stopped from outside


@virtual_time
async def test_a_stop_before_the_first_event_aborts_the_call_and_discards_the_request() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.task.cancel()
    await stage.settle()

    assert stage.task.cancelled()
    assert stage.providers[0].calls[0].aborted
    assert (stage.events, stage.settled) == ([ACCEPTED], [TERM])


@virtual_time
async def test_a_stop_in_the_middle_of_the_answer_aborts_the_call() -> None:
    stage, call = await streaming()
    stage.task.cancel()
    await stage.settle()

    assert stage.task.cancelled()
    assert call.aborted
    assert (stage.events, stage.settled) == ([ACCEPTED, STARTED, HI], [ACK])


@virtual_time
async def test_words_in_the_same_moment_as_a_stop_are_not_said_out_of_order() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.task.cancel()
    stage.providers[0].calls[0].say(HI)
    await stage.settle()

    assert stage.events == [ACCEPTED]


@virtual_time
async def test_a_stop_while_waiting_for_a_retry_discards_the_request() -> None:
    stage = Stage((error("provider_rate_limited", 5),))
    await stage.settle()
    stage.task.cancel()
    await stage.settle()

    assert stage.settled == [TERM]


# A provider's bound


@virtual_time
async def test_a_call_beyond_the_providers_bound_waits_for_a_place() -> None:
    slots = asyncio.Semaphore(1)
    first, second = Stage((wait,), slots=slots), Stage((answer,), slots=slots)
    await first.settle()
    assert second.providers[0].opened_at == []

    answer(first.providers[0].calls[0])
    await second.task
    assert second.events[-1] == STOP


@virtual_time
async def test_a_place_is_free_again_after_a_failure() -> None:
    slots = asyncio.Semaphore(1)
    await Stage((error("provider_rejected"),), slots=slots).task
    second = Stage((answer,), slots=slots)
    await second.task

    assert second.events[-1] == STOP


@virtual_time
async def test_a_place_is_not_waited_for_beyond_the_deadline() -> None:
    slots = asyncio.Semaphore(0)
    stage = Stage((answer,), slots=slots, deadline_at=EPOCH + 7)
    await stage.task

    assert stage.elapsed_s == pytest.approx(7)
    assert failed_of(stage.events).code == "request_timeout"
    assert stage.settled == [TERM]


# Another worker has it


def row_of(delivery: int, ended: str | None = None) -> UsageRow:
    """As another worker stored it."""
    return UsageRow(
        id="req_1", key="anonymous", route="default.main", model="m", gateway="gw-1", started_at=EPOCH,
        worker="worker-0", delivery=delivery, ended=ended,
    )  # fmt: skip


@virtual_time
async def test_an_ack_that_was_lost_is_said_again_and_the_answer_does_not_wait_for_it() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.broker.away = True
    call = stage.providers[0].calls[0]
    call.say(HI)
    await asyncio.sleep(5)
    call.say(HI)
    assert stage.events == [ACCEPTED, STARTED, HI, HI]
    await stage.session.keep()
    stage.broker.away = False
    await stage.session.keep()
    await asyncio.sleep(5)
    await stage.session.keep()
    assert stage.settled == [WPI, ACK], "the timer is restarted until the broker has said that it has the ack"
    answer(call)
    await stage.task


@virtual_time
async def test_an_answer_that_is_whole_does_not_wait_long_for_the_broker() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.broker.away = True
    answer(stage.providers[0].calls[0])
    await stage.task
    assert stage.elapsed_s == pytest.approx(CONFIRM_LATE_S)
    assert stage.rows.closed[0].ended == "stop"


@pytest.mark.parametrize("ended", [None, "stop"], ids=["serves", "has served"])
@virtual_time
async def test_a_worker_that_stood_still_leaves_the_row_and_the_message_to_whoever_serves_the_request(
    ended: str | None,
) -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.rows.stored = row_of(2, ended)
    call = stage.providers[0].calls[0]
    call.say(HI)
    await stage.task
    assert call.aborted
    assert (stage.rows.opened, stage.rows.closed, stage.settled) == ([], [], [])


@virtual_time
async def test_a_request_that_another_worker_began_is_not_begun_again() -> None:
    stage = Stage((answer,), delivered=2)
    stage.rows.stored = row_of(1)
    await stage.task
    assert stage.providers[0].opened_at == []
    assert failed_of(stage.events).code == "worker_lost"
    assert (stage.rows.closed, stage.settled) == ([], [TERM])


@virtual_time
async def test_a_request_whose_worker_died_before_it_began_is_served() -> None:
    stage = Stage((answer,), delivered=2)
    stage.rows.stored = row_of(0)
    await stage.task
    assert (stage.rows.closed[0].ended, stage.rows.closed[0].delivery) == ("stop", 2)
    assert stage.settled == [ACK]


@virtual_time
async def test_while_nobody_can_say_who_began_a_request_is_served() -> None:
    stage = Stage((wait,), delivered=2)
    stage.rows.away = True
    await stage.settle()
    stage.rows.away = False
    answer(stage.providers[0].calls[0])
    await stage.task
    assert stage.rows.closed[0].ended == "stop"


@pytest.mark.parametrize(
    ("delivered", "serves", "settled", "closed"), [(1, 2, [], 0), (2, 1, [TERM], 0), (1, 0, [TERM], 1)]
)
@virtual_time
async def test_a_stop_because_another_attempt_is_served_leaves_the_row_and_a_later_ones_message(
    delivered: int, serves: int, settled: list[bytes], closed: int
) -> None:
    stage = Stage((wait,), delivered=delivered)
    table = SessionTable(replay_kept_s=30)
    table.add(stage.session, stage.task)
    await stage.settle()
    table.stop(stage.session, "cancelled", serves)
    await asyncio.wait([stage.task])
    assert (stage.settled, len(stage.rows.closed)) == (settled, closed)


@virtual_time
async def test_a_stop_of_a_worker_of_the_same_name_before_this_one_stops_nothing() -> None:
    stage = Stage((wait,), delivered=2)
    table = SessionTable(replay_kept_s=30)
    table.add(stage.session, stage.task)
    await stage.settle()
    table.stop(stage.session, "cancelled", 2)
    await stage.settle()
    answer(stage.providers[0].calls[0])
    await stage.task
    assert stage.rows.closed[0].ended == "stop"
