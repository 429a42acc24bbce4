"""Checkpoints are written while a request is open; an idle worker is not woken for them."""

import asyncio

import pytest
from unit.support.fake_provider import wait
from unit.support.sessions import Stage, answer
from unit.support.virtual_time import Stuck, VirtualTimeLoop, virtual_time

from penstock_contract.usage.record import Checkpoint
from penstock_runtime.cancellation import cancel_and_wait
from penstock_worker.sessions.checkpoints import CHECKPOINT_S, write_checkpoints
from penstock_worker.sessions.registry import SessionRegistry


class Checkpoints:
    """In the place of the usage writer: keeps what would be published."""

    def __init__(self) -> None:
        self.written: list[Checkpoint] = []

    async def checkpoint(self, namespace: str, route: str, checkpoint: Checkpoint) -> None:
        assert (namespace, route) == ("default", "main")
        self.written.append(checkpoint)


def test_worker_without_requests_has_no_timer_for_checkpoints() -> None:
    async def idle() -> None:
        sessions = SessionRegistry(replay_kept_s=30)
        await write_checkpoints("w", ("default", "main"), sessions, Checkpoints())  # type: ignore[arg-type]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner, pytest.raises(Stuck):
        runner.run(idle())


@virtual_time
async def test_worker_writes_checkpoints_from_the_first_request_to_the_last() -> None:
    stage, sessions, checkpoints = Stage((wait,)), SessionRegistry(replay_kept_s=30), Checkpoints()
    writing = asyncio.create_task(write_checkpoints("w", ("default", "main"), sessions, checkpoints))  # type: ignore[arg-type]
    sessions.add(stage.session, stage.task)
    await stage.settle()
    await asyncio.sleep(10.5 * CHECKPOINT_S)
    assert [one.worker for one in checkpoints.written] == ["w"] * 10

    answer(stage.providers[0].calls[0])
    await stage.task
    sessions.ended(stage.session, stage.loop.time())
    await asyncio.sleep(10 * CHECKPOINT_S)
    assert len(checkpoints.written) == 10
    await cancel_and_wait(writing)
