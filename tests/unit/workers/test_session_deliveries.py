"""A request that came more than once: only one worker serves it, and one row says so."""

import asyncio
import contextlib

import pytest
from unit.support.sessions import ACCEPTED, ACK, HI, STARTED, TERM, WPI, Stage, answer, failed_of
from unit.support.virtual_time import EPOCH, virtual_time

from penstock_contract.usage.record import UsageRow
from penstock_worker.providers.fake_provider import wait
from penstock_worker.sessions.registry import SessionTable
from penstock_worker.sessions.session import CONFIRM_LATE_S


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
async def test_a_row_is_opened_once_and_the_ack_alone_is_repeated_with_growing_pauses() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.broker.away = True
    call = stage.providers[0].calls[0]
    call.say(HI)
    await asyncio.sleep(100)
    assert len(stage.rows.opened) == 1
    assert 8 <= stage.broker.asked <= 14
    answer(call)
    await stage.task


@virtual_time
async def test_a_confirmation_ends_with_its_session_though_its_cancellation_is_swallowed() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.broker.away = stage.broker.swallows = True
    call = stage.providers[0].calls[0]
    call.say(HI)
    await stage.settle()
    answer(call)
    await stage.task
    asked, opened = stage.broker.asked, len(stage.rows.opened)
    await asyncio.sleep(60)
    assert (stage.broker.asked, len(stage.rows.opened)) == (asked, opened)
    assert len(asyncio.all_tasks()) == 1, "only this test is left"


@virtual_time
async def test_a_session_that_is_stopped_while_it_looks_for_another_worker_calls_no_provider() -> None:
    stage = Stage((answer,), delivered=2)

    async def look_and_swallow(row: UsageRow) -> None:
        del row
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1)

    stage.rows.read_row = look_and_swallow  # type: ignore[method-assign]
    await stage.settle()
    stage.session.usage.stopped = "cancelled"
    stage.task.cancel()
    await asyncio.wait([stage.task])
    assert stage.providers[0].opened_at == []
    assert [row.ended for row in stage.rows.closed] == ["cancelled"]


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
