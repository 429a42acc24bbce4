"""How long is waited: for the first token, for the next, and for the whole."""

import asyncio

import pytest
from unit.support.sessions import ACCEPTED, ACK, HI, STARTED, STOP, TERM, USAGE, Stage, answer, failed_of, streaming
from unit.support.virtual_time import LoopClock, virtual_time

from penstock_contract.stream.events import Started
from penstock_worker.providers.fake_provider import FakeCall, wait


@virtual_time
async def test_a_first_token_that_is_too_late_aborts_the_call_and_tries_the_next_provider() -> None:
    stage = Stage((wait,), (answer,), limits={"firstTokenTimeoutSeconds": 9})
    await stage.task

    assert stage.providers[0].calls[0].aborted
    assert stage.elapsed_s == pytest.approx(9)
    assert stage.events[1] == Started("b", 6)


@virtual_time
async def test_a_first_token_that_is_too_late_everywhere_is_told() -> None:
    stage = Stage((wait,), limits={"firstTokenTimeoutSeconds": 9})
    await stage.task

    assert failed_of(stage.events).code == "first_token_timeout"
    assert stage.settled == [TERM]


@virtual_time
async def test_the_deadline_bounds_the_wait_for_the_first_token() -> None:
    stage = Stage((wait,), timeout_s=4)
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
        [ACCEPTED, Started("b", 6), HI, USAGE, STOP],
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


class SteppingClock(LoopClock):
    """The time of day is set by hand; the monotonic clock goes on."""

    step_s = 0.0

    def unix(self) -> float:
        return super().unix() + self.step_s


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
@virtual_time
async def test_a_step_of_the_machines_clock_ends_no_stream(step_s: float) -> None:
    stage, call = await streaming()
    stage.session._clock = stage.session.usage._clock = clock = SteppingClock()
    clock.step_s = step_s
    stage.session.check_time(asyncio.get_running_loop().time())
    call.say(USAGE, STOP)
    call.end()
    await stage.task

    assert stage.events[-1] == STOP
    [row] = stage.rows.closed
    assert row.duration_s == 0
