"""Timeouts of a request: first token, idle and total."""

import asyncio

import pytest
from unit.support.fake_provider import FakeCall, wait
from unit.support.sessions import ACCEPTED, ACK, HI, STARTED, STOP, TERM, USAGE, Stage, answer, failed_of, streaming
from unit.support.virtual_time import virtual_time

from penstock_contract.stream.events import Started


@virtual_time
async def test_failover_aborts_a_late_call_and_tries_the_next_provider() -> None:
    stage = Stage((wait,), (answer,), limits={"firstTokenTimeoutSeconds": 9})
    await stage.task

    assert stage.providers[0].calls[0].aborted
    assert stage.elapsed_s == pytest.approx(9)
    assert stage.events[1] == Started("b", 6)


@virtual_time
async def test_failover_reports_a_late_first_token_of_all_providers() -> None:
    stage = Stage((wait,), limits={"firstTokenTimeoutSeconds": 9})
    await stage.task

    assert failed_of(stage.events).code == "first_token_timeout"
    assert stage.settled == [TERM]


@virtual_time
async def test_failover_bounds_the_wait_for_the_first_token_by_the_deadline() -> None:
    stage = Stage((wait,), timeout_s=4)
    await stage.task

    assert stage.elapsed_s == pytest.approx(4)


def text_at(when_s: float) -> object:
    def act(call: FakeCall) -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() + when_s, answer, call)

    return act


@virtual_time
async def test_failover_does_not_mix_answers_if_first_token_and_timeout_coincide() -> None:
    stage = Stage((text_at(9.0),), (answer,), limits={"firstTokenTimeoutSeconds": 9})  # type: ignore[arg-type]
    await stage.task

    # Either event may come first; the request has exactly one provider and its whole answer.
    assert stage.events in (
        [ACCEPTED, STARTED, HI, USAGE, STOP],
        [ACCEPTED, Started("b", 6), HI, USAGE, STOP],
    )
    assert stage.settled == [ACK]


@virtual_time
async def test_failover_takes_a_first_token_just_before_its_timeout() -> None:
    stage = Stage((wait,), (answer,), limits={"firstTokenTimeoutSeconds": 9})
    loop = asyncio.get_running_loop()
    await stage.settle()
    # Both are due in one moment, the token first: the timeout finds the future done and its task not yet resumed.
    loop.call_at(1009.0 - 1e-12, answer, stage.providers[0].calls[0])
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, USAGE, STOP]
    assert stage.providers[1].opened_at == []


@virtual_time
async def test_session_ends_an_idle_answer_after_the_idle_timeout() -> None:
    stage, call = await streaming(idleTimeoutSeconds=5)
    stage.session.check_time(call.active_at + 5)
    assert not stage.task.done()

    stage.session.check_time(call.active_at + 5.1)
    await stage.task

    assert failed_of(stage.events).code == "idle_timeout"
    assert call.aborted


@virtual_time
async def test_session_restarts_the_idle_timeout_with_each_part_of_the_answer() -> None:
    stage, call = await streaming(idleTimeoutSeconds=5)
    call.active_at += 3
    stage.session.check_time(call.active_at + 4)
    await stage.settle()

    assert stage.events[-1] == HI


@virtual_time
async def test_session_ends_an_answer_at_the_deadline() -> None:
    stage, call = await streaming()
    await asyncio.sleep(600)
    stage.session.check_time(call.active_at)
    await stage.task

    assert failed_of(stage.events).code == "request_timeout"
    assert call.aborted


@virtual_time
async def test_session_ends_nothing_by_time_before_the_first_event() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.session.check_time(1e9)
    await stage.settle()

    assert stage.events == [ACCEPTED]


@virtual_time
async def test_session_ends_nothing_by_time_after_the_end() -> None:
    stage = Stage((answer,))
    await stage.task
    stage.session.check_time(1e9)

    assert stage.events[-1] == STOP


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
@virtual_time
async def test_session_is_not_ended_by_a_step_of_the_machines_clock(step_s: float) -> None:
    stage, call = await streaming()
    stage.clock.step_s = step_s
    stage.session.check_time(asyncio.get_running_loop().time())
    call.emit(USAGE, STOP)
    call.end()
    await stage.task

    assert stage.events[-1] == STOP
    [row] = stage.rows.closed
    assert row.duration_s == 0
