"""One request in a worker's hands: what is said, and when the queue hears that it is done."""

import pytest
from unit.support.sessions import ACCEPTED, ACK, BODY, HI, STARTED, STOP, TERM, USAGE, WPI, Stage, answer, failed_of
from unit.support.virtual_time import EPOCH, virtual_time

from penstock_contract.stream.events import Accepted, Started
from penstock_worker.providers.fake_provider import wait


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
    assert stage.events[1] == Started("a")


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
    assert call.operation.body == BODY


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


@pytest.mark.parametrize("ahead_s", [3600, -3600])
@virtual_time
async def test_a_request_is_served_however_the_clocks_of_gateway_and_worker_differ(ahead_s: int) -> None:
    stage = Stage((answer,), published_at=EPOCH - ahead_s)
    await stage.task

    assert (stage.events[0], stage.events[-1]) == (ACCEPTED, STOP)
    [row] = stage.rows.closed
    assert row.duration_s == 0


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
