"""A stop of the gateway in every phase of a request."""

import asyncio

from unit.support.fake_provider import wait
from unit.support.sessions import ACCEPTED, ACK, HI, STARTED, TERM, Stage, error, streaming
from unit.support.virtual_time import virtual_time

from penstock_worker.sessions.ownership import CONFIRM_LATE_S


@virtual_time
async def test_session_stopped_before_the_first_event_aborts_the_call_and_discards_the_request() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.task.cancel()
    await stage.settle()

    assert stage.task.cancelled()
    assert stage.providers[0].calls[0].aborted
    assert (stage.events, stage.settled) == ([ACCEPTED], [TERM])


@virtual_time
async def test_session_stopped_within_the_answer_aborts_the_call() -> None:
    stage, call = await streaming()
    stage.task.cancel()
    await stage.settle()

    assert stage.task.cancelled()
    assert call.aborted
    assert (stage.events, stage.settled) == ([ACCEPTED, STARTED, HI], [ACK])


@virtual_time
async def test_session_emits_events_that_come_with_a_stop_in_order() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.task.cancel()
    stage.providers[0].calls[0].emit(HI)
    await stage.settle()

    assert stage.events == [ACCEPTED]


@virtual_time
async def test_session_stopped_during_a_pause_discards_the_request() -> None:
    stage = Stage((error("provider_rate_limited", 5),))
    await stage.settle()
    stage.task.cancel()
    await stage.settle()

    assert stage.settled == [TERM]


async def _stopped_without_the_broker() -> Stage:
    """Stopped before the first event, while the broker stores no row."""
    stage = Stage((wait,))
    await stage.settle()
    stage.rows.away = True
    stage.task.cancel()
    await stage.settle()
    return stage


@virtual_time
async def test_session_stopped_before_the_first_event_keeps_the_message_until_its_row_is_stored() -> None:
    stage = await _stopped_without_the_broker()
    assert ([row.ended for row in stage.rows.closed], stage.settled) == (["cancelled"], [])
    await asyncio.wait([stage.task])
    assert (stage.settled, stage.elapsed_s) == ([TERM], CONFIRM_LATE_S)


@virtual_time
async def test_session_stopped_twice_discards_the_request() -> None:
    stage = await _stopped_without_the_broker()
    stage.task.cancel()
    await stage.settle()
    assert stage.settled == [TERM]
