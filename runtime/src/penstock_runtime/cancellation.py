"""Ends tasks for certain.

nats-py waits with `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that arrives together with its
result (python/cpython#86296): a loop that is cancelled once may go on for ever. The tasks are therefore cancelled until
they have ended. Not for a task whose `finally` waits for longer than `CANCEL_AGAIN_S`: that would be cancelled, too.
"""

import asyncio
from typing import Any, Final

CANCEL_AGAIN_S: Final = 0.05


async def cancel_and_wait(*tasks: "asyncio.Task[Any]", timeout_s: float | None = None) -> None:
    """Cancel the tasks and wait until all have ended, at most `timeout_s`. What they raised stays in them."""
    loop = asyncio.get_running_loop()
    until = None if timeout_s is None else loop.time() + timeout_s
    pending = {task for task in tasks if not task.done()}
    while pending and (until is None or loop.time() < until):
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
