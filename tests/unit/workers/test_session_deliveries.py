"""A request delivered more than once is served by one worker and has one row."""

import asyncio
import contextlib

import pytest
from unit.support.fake_provider import wait
from unit.support.sessions import ACCEPTED, ACK, HI, STARTED, TERM, WPI, Stage, answer, failed_of
from unit.support.virtual_time import EPOCH, virtual_time

from penstock_contract.usage.record import UsageRow
from penstock_worker.sessions.ownership import CONFIRM_LATE_S
from penstock_worker.sessions.registry import SessionRegistry


def row_of(delivery: int, ended: str | None = None) -> UsageRow:
    """The usage record as another worker stored it."""
    return UsageRow(
        id="req_1", key="anonymous", route="default.main", model="m", gateway="gw-1", started_at=EPOCH,
        worker="worker-0", delivery=delivery, ended=ended,
    )  # fmt: skip


@virtual_time
async def test_ownership_restarts_the_ack_timer_until_the_row_is_stored() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.rows.away = True
    call = stage.providers[0].calls[0]
    call.emit(HI)
    await asyncio.sleep(5)
    call.emit(HI)
    assert stage.events == [ACCEPTED, STARTED, HI, HI]
    await stage.session.extend_ack_wait()
    stage.rows.away = False
    await asyncio.sleep(10)
    await stage.session.extend_ack_wait()
    assert stage.settled == [WPI, ACK], "after the ack the timer does not run"
    answer(call)
    await stage.task


@virtual_time
async def test_ownership_writes_the_row_again_with_growing_pauses_and_acks_once() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.rows.away = True
    call = stage.providers[0].calls[0]
    call.emit(HI)
    await asyncio.sleep(100)
    assert 8 <= stage.rows.tries <= 14
    assert stage.settled == []
    stage.rows.away = False
    await asyncio.sleep(20)
    assert len(stage.rows.opened) == 1
    assert stage.settled == [ACK]
    answer(call)
    await stage.task


@virtual_time
async def test_ownership_ends_its_confirmation_although_the_cancellation_is_swallowed() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.rows.away = stage.rows.swallows = True
    call = stage.providers[0].calls[0]
    call.emit(HI)
    await stage.settle()
    answer(call)
    await stage.task
    tries = stage.rows.tries
    await asyncio.sleep(60)
    assert stage.rows.tries == tries
    assert len(asyncio.all_tasks()) == 1, "only this test is left"


@virtual_time
async def test_session_stopped_while_it_reads_the_row_calls_no_provider() -> None:
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
async def test_ownership_delays_a_whole_answer_only_briefly() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.rows.away = True
    answer(stage.providers[0].calls[0])
    await stage.task
    assert stage.elapsed_s == pytest.approx(CONFIRM_LATE_S)
    assert stage.rows.closed[0].ended == "stop"


@pytest.mark.parametrize("ended", [None, "stop"], ids=["serves", "has served"])
@virtual_time
async def test_ownership_leaves_row_and_message_to_the_delivery_that_serves_after_a_pause(
    ended: str | None,
) -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.rows.stored = row_of(2, ended)
    call = stage.providers[0].calls[0]
    call.emit(HI)
    await stage.task
    assert call.aborted
    assert (stage.rows.opened, stage.rows.closed, stage.settled) == ([], [], [])


@virtual_time
async def test_session_does_not_serve_a_request_that_another_worker_began() -> None:
    stage = Stage((answer,), delivered=2)
    stage.rows.stored = row_of(1)
    await stage.task
    assert stage.providers[0].opened_at == []
    assert failed_of(stage.events).code == "worker_lost"
    assert (stage.rows.closed, stage.settled) == ([], [TERM])


@virtual_time
async def test_session_serves_a_request_whose_worker_crashed_before_the_first_event() -> None:
    stage = Stage((answer,), delivered=2)
    stage.rows.stored = row_of(0)
    await stage.task
    assert (stage.rows.closed[0].ended, stage.rows.closed[0].delivery) == ("stop", 2)
    assert stage.settled == [ACK]


@virtual_time
async def test_session_serves_a_request_while_the_row_cannot_be_read() -> None:
    stage = Stage((wait,), delivered=2)
    stage.rows.away = True
    await stage.settle()
    await asyncio.sleep(CONFIRM_LATE_S)
    stage.rows.away = False
    await stage.settle()
    answer(stage.providers[0].calls[0])
    await stage.task
    assert stage.rows.closed[0].ended == "stop"


@pytest.mark.parametrize(
    ("delivered", "serves", "settled", "closed"), [(1, 2, [], 0), (2, 1, [TERM], 0), (1, 0, [TERM], 1)]
)
@virtual_time
async def test_ownership_leaves_row_and_message_after_a_stop_for_a_later_delivery(
    delivered: int, serves: int, settled: list[bytes], closed: int
) -> None:
    stage = Stage((wait,), delivered=delivered)
    table = SessionRegistry(replay_kept_s=30)
    table.add(stage.session, stage.task)
    await stage.settle()
    table.stop(stage.session, "cancelled", serves)
    await asyncio.wait([stage.task])
    assert (stage.settled, len(stage.rows.closed)) == (settled, closed)


@virtual_time
async def test_registry_ignores_a_stop_for_an_earlier_worker_of_the_same_name() -> None:
    stage = Stage((wait,), delivered=2)
    table = SessionRegistry(replay_kept_s=30)
    table.add(stage.session, stage.task)
    await stage.settle()
    table.stop(stage.session, "cancelled", 2)
    await stage.settle()
    answer(stage.providers[0].calls[0])
    await stage.task
    assert stage.rows.closed[0].ended == "stop"
