"""One keyed stack for each module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness.keyed import KeyedStack


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed_stack(request: pytest.FixtureRequest) -> AsyncIterator[KeyedStack]:
    """With the options that the module has in `STACK`."""
    async with KeyedStack(**getattr(request.module, "STACK", {})) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def keyed(keyed_stack: KeyedStack) -> AsyncIterator[KeyedStack]:
    """The stack, reset before every test. No process may log an error, exit, or stop serving."""
    await keyed_stack.reset()
    yield keyed_stack
    assert all(process.alive for process in keyed_stack.processes), "a process has exited"
    errors = [line for process in keyed_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors
    assert (await keyed_stack.client.get("/ready")).status_code == 200
