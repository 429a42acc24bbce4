"""Tasks that are cancelled end, also where a library swallows a cancellation."""

import asyncio

import pytest
from unit.support.virtual_time import virtual_time

from penstock_runtime.cancellation import cancel_and_wait


async def swallows(times: int) -> None:
    """A loop around a wait that swallows the first cancellations, as `asyncio.wait_for` of Python 3.11 may."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


@pytest.mark.parametrize("times", [0, 1, 3])
@virtual_time
async def test_cancellation_is_repeated_until_a_task_that_swallows_it_has_ended(times: int) -> None:
    task = asyncio.create_task(swallows(times))
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert task.cancelled()


@virtual_time
async def test_cancellation_waits_a_bounded_time_for_a_task() -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(swallows(40))
    began_at = loop.time()
    await asyncio.sleep(0)
    await cancel_and_wait(task, timeout_s=1.0)
    assert not task.done()
    assert loop.time() - began_at == pytest.approx(1.0, abs=0.1)
    await cancel_and_wait(task)


@virtual_time
async def test_cancellation_leaves_an_ended_task_unchanged() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "result"))
    await task
    await cancel_and_wait(task)
    assert task.result() == "result"
