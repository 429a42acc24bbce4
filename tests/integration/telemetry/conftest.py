"""An OTLP receiver for each module, and a stack that exports everything to it."""

from collections.abc import AsyncIterator

import pytest_asyncio
from harness.stack import Stack
from harness.telemetry import MODELS, Receiver


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_stack(receiver: Receiver) -> AsyncIterator[Stack]:
    environ = receiver.environ
    async with Stack(models=MODELS, routing={"retries": 0}, gateway_env=environ, worker_env=environ) as stack:
        yield stack
