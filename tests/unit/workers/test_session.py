"""A session: its events, and the ack of its delivery."""

import pytest
from unit.support.fake_provider import wait
from unit.support.sessions import ACCEPTED, ACK, BODY, HI, STARTED, STOP, TERM, USAGE, WPI, Stage, answer, failed_of
from unit.support.virtual_time import EPOCH, virtual_time

from penstock_contract.stream.events import Accepted, Started


@virtual_time
async def test_session_emits_an_answer_in_order_and_ends_it_once() -> None:
    stage = Stage((answer,))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, USAGE, STOP]


@virtual_time
async def test_session_acks_at_the_first_event() -> None:
    stage = Stage((wait,))
    await stage.settle()
    assert (stage.events, stage.settled) == ([ACCEPTED], [])

    stage.providers[0].calls[0].emit(HI)
    await stage.settle()
    assert (stage.events, stage.settled) == ([ACCEPTED, STARTED, HI], [ACK])

    stage.providers[0].calls[0].emit(STOP)
    await stage.task
    assert stage.settled == [ACK]


@virtual_time
async def test_session_extends_the_ack_wait_until_the_first_event_only() -> None:
    stage = Stage((wait,))
    await stage.settle()
    await stage.session.extend_ack_wait()
    await stage.session.extend_ack_wait()
    stage.providers[0].calls[0].emit(HI)
    await stage.settle()
    await stage.session.extend_ack_wait()

    assert stage.settled == [WPI, WPI, ACK]


@virtual_time
async def test_session_emits_an_answer_of_one_read_like_any_other() -> None:
    stage = Stage((lambda call: call.emit(HI, USAGE, STOP),))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, USAGE, STOP]
    assert stage.settled == [ACK]


@virtual_time
async def test_session_accepts_an_answer_without_text() -> None:
    stage = Stage((lambda call: call.emit(STOP),))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, STOP]


@virtual_time
async def test_session_sends_the_providers_own_model_name() -> None:
    stage = Stage((answer,), providers=[{"model": "its-own"}])
    await stage.task

    assert stage.providers[0].calls[0].model == "its-own"
    assert stage.events[1] == Started("a")


@virtual_time
async def test_session_sends_the_clients_model_name_without_an_own_one() -> None:
    stage = Stage((answer,))
    await stage.task

    assert stage.providers[0].calls[0].model == "asked-for"


@virtual_time
async def test_session_passes_operation_and_connect_timeout_to_the_provider() -> None:
    stage = Stage((answer,), limits={"connectTimeoutSeconds": 1.5})
    await stage.task

    [call] = stage.providers[0].calls
    assert call.connect_timeout_s == 1.5
    assert call.operation.body == BODY


@virtual_time
async def test_session_reports_the_time_in_the_queue() -> None:
    stage = Stage((answer,), published_at=EPOCH - 2.5)
    await stage.task

    assert stage.events[0] == Accepted("worker-1", 2.5, 1)


@virtual_time
async def test_session_reports_no_negative_queue_time() -> None:
    stage = Stage((answer,), published_at=EPOCH + 9)
    await stage.task

    assert stage.events[0] == ACCEPTED


@pytest.mark.parametrize("ahead_s", [3600, -3600])
@virtual_time
async def test_session_serves_a_request_with_any_clock_difference(ahead_s: int) -> None:
    stage = Stage((answer,), published_at=EPOCH - ahead_s)
    await stage.task

    assert (stage.events[0], stage.events[-1]) == (ACCEPTED, STOP)
    [row] = stage.rows.closed
    assert row.duration_s == 0


@virtual_time
async def test_session_fails_a_request_after_three_crashed_workers() -> None:
    stage = Stage((answer,), delivered=4)
    await stage.task

    assert failed_of(stage.events).code == "worker_lost"
    assert stage.settled == [TERM]
    assert stage.providers[0].opened_at == []


@virtual_time
async def test_session_serves_a_third_delivery() -> None:
    stage = Stage((answer,), delivered=3)
    await stage.task

    assert stage.events[-1] == STOP
