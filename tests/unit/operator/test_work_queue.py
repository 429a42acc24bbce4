"""The work queue handles every key after its last change, in one task at a time, and retries with a backoff."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import structlog
import structlog.testing
from unit.support.virtual_time import virtual_time

from penstock_operator.work_queue import BACKOFF_MAX_S, Later, WorkQueue

Handle = Callable[[str], Awaitable[None]]


@contextlib.asynccontextmanager
async def running(handle: Handle, *, concurrency: int = 2, draw: float = 1.0) -> AsyncIterator[WorkQueue[str]]:
    queue: WorkQueue[str] = WorkQueue("reconcile", concurrency=concurrency, draw=lambda: draw)
    task = asyncio.create_task(queue.run(handle))
    yield queue
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class Journal:
    """A handler that records its calls, and fails as configured."""

    def __init__(self) -> None:
        self.began: list[tuple[float, str]] = []
        self.active = 0
        self.most_active = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[Exception] = []
        self._start = asyncio.get_running_loop().time()

    async def handle(self, key: str) -> None:
        self.began.append((round(asyncio.get_running_loop().time() - self._start, 3), key))
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            await self.gate.wait()
            if self.failures:
                raise self.failures.pop(0)
        finally:
            self.active -= 1

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.began]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.began]


@virtual_time
async def test_work_queue_handles_a_key_that_was_added_often_once() -> None:
    journal = Journal()
    async with running(journal.handle) as queue:
        for _ in range(5):
            queue.add("a")
        assert queue.depth == 1
        await asyncio.sleep(1)
    assert journal.keys == ["a"]


@virtual_time
async def test_work_queue_handles_a_key_added_during_its_handling_once_more_and_never_concurrently() -> None:
    journal = Journal()
    journal.gate.clear()
    async with running(journal.handle, concurrency=4) as queue:
        queue.add("a")
        await asyncio.sleep(1)
        for _ in range(3):
            queue.add("a")
        await asyncio.sleep(1)
        assert journal.keys == ["a"]
        journal.gate.set()
        await asyncio.sleep(1)
    assert journal.keys == ["a", "a"]
    assert journal.most_active == 1


@virtual_time
async def test_work_queue_handles_different_keys_concurrently_up_to_the_bound() -> None:
    journal = Journal()
    journal.gate.clear()
    async with running(journal.handle, concurrency=2) as queue:
        for key in "abc":
            queue.add(key)
        await asyncio.sleep(1)
        assert journal.keys == ["a", "b"]
        assert queue.depth == 1
        journal.gate.set()
        await asyncio.sleep(1)
    assert journal.keys == ["a", "b", "c"]


@virtual_time
async def test_work_queue_doubles_the_backoff_of_a_failing_key_up_to_the_bound() -> None:
    journal = Journal()
    journal.failures = [ValueError("no")] * 12
    async with running(journal.handle) as queue:
        queue.add("a")
        await asyncio.sleep(600)
        assert queue.failing == 0
    waits = [round(after - before, 3) for before, after in zip(journal.times, journal.times[1:], strict=False)]
    assert waits[:4] == [0.2, 0.4, 0.8, 1.6]
    assert waits[-3:] == [BACKOFF_MAX_S] * 3
    assert len(waits) == 12


@virtual_time
async def test_work_queue_resets_the_backoff_after_a_success() -> None:
    journal = Journal()
    journal.failures = [ValueError("no"), ValueError("no")]
    async with running(journal.handle) as queue:
        queue.add("a")
        await asyncio.sleep(5)
        journal.failures = [ValueError("again")]
        queue.add("a")
        await asyncio.sleep(5)
    assert journal.times == [0, 0.2, 0.6, 5, 5.2]


@pytest.mark.parametrize(("draw", "wait"), [(0.0, 0.1), (1.0, 0.2)])
def test_work_queue_draws_the_backoff_so_that_keys_with_a_common_failure_spread(draw: float, wait: float) -> None:
    @virtual_time
    async def run() -> None:
        journal = Journal()
        journal.failures = [ValueError("no")]
        async with running(journal.handle, draw=draw) as queue:
            queue.add("a")
            await asyncio.sleep(1)
        assert journal.times == [0, wait]

    run()


@virtual_time
async def test_work_queue_retries_at_the_time_that_a_handler_requests() -> None:
    journal = Journal()
    journal.failures = [Later(7.0, "retry later")]
    async with running(journal.handle) as queue:
        queue.add("a")
        await asyncio.sleep(20)
        assert queue.failing == 0
    assert journal.times == [0, 7]


@virtual_time
async def test_work_queue_keeps_the_earlier_of_two_times_and_handles_a_change_before_both() -> None:
    journal = Journal()
    async with running(journal.handle) as queue:
        queue.add_after("a", 10)
        queue.add_after("a", 5)
        queue.add_after("a", 8)
        queue.add_after("b", 5)
        await asyncio.sleep(1)
        queue.add("b")
        await asyncio.sleep(20)
    assert journal.began == [(1, "b"), (5, "a")]


@virtual_time
async def test_work_queue_handles_other_keys_while_one_fails() -> None:
    failed = asyncio.Event()
    done: list[str] = []

    async def handle(key: str) -> None:
        if key == "bad":
            failed.set()
            raise RuntimeError(key)
        done.append(key)

    async with running(handle, concurrency=1) as queue:
        queue.add("bad")
        queue.add("good")
        await failed.wait()
        await asyncio.sleep(0.01)
        assert done == ["good"]


@virtual_time
async def test_work_queue_cancels_running_handlers_at_its_end() -> None:
    journal = Journal()
    journal.gate.clear()
    async with running(journal.handle) as queue:
        queue.add("a")
        queue.add_after("b", 100)
        await asyncio.sleep(1)
        assert journal.active == 1
    assert journal.active == 0
    assert journal.keys == ["a"]


@virtual_time
async def test_work_queue_logs_a_failure_under_its_own_name() -> None:
    async def fail(_: str) -> None:
        raise ValueError("no")

    queue: WorkQueue[str] = WorkQueue("autoscale", concurrency=1, draw=lambda: 1.0)
    with structlog.testing.capture_logs() as lines:
        task = asyncio.create_task(queue.run(fail))
        queue.add("a")
        await asyncio.sleep(0.1)
        task.cancel()
    assert [(line["event"], line["key"], line["detail"]) for line in lines] == [
        ("operator.autoscale_failed", "a", "no")
    ]
