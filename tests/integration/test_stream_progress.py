"""A request that waits reports its position and the cause, in its dialect's way."""

import pytest
import pytest_asyncio
from harness.processes import until
from harness.provider_answers import text_stream
from harness.stack import Stack
from harness.stream_phases import QUEUED, in_phase, taken_slots
from harness.stream_reader import StreamReader
from harness.stream_requests import REQUESTS

pytestmark = pytest.mark.asyncio(loop_scope="module")
STACK = {"slots": 2}

REPORT = '{"position":1,"cause":"all workers are busy"}'
COMMENTS = [dialect for dialect in REQUESTS if dialect not in {"simple", "ui"}]


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def known_worker(module_stack: Stack) -> None:
    """The cause is another one until the gateway has a heartbeat of the worker: one from now on."""
    module_stack.heartbeats.clear()
    await until(lambda: module_stack.heartbeats, "the worker's heartbeat has arrived")


async def test_queued_event_of_the_simple_dialect_names_position_and_cause(stack: Stack) -> None:
    request = REQUESTS["simple"]
    headers = {"x-penstock-progress": "true"}
    async with taken_slots(stack, 2) as holders:
        stack.main.answers(text_stream("at last"))
        async with stack.client.stream("POST", request.path, json=request.body, headers=headers) as response:
            reader = StreamReader(response)
            assert await reader.event() == f"event: queued\ndata: {REPORT}"
            holders[0].cancel()
            assert await reader.rest() == 'data: {"text":"at last"}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("dialect", [dialect for dialect in COMMENTS if dialect != "background"])
async def test_queued_comment_of_the_other_dialects_names_position_and_cause(stack: Stack, dialect: str) -> None:
    async with taken_slots(stack, 2), in_phase(stack, QUEUED, dialect, "cancel") as stream:
        assert f": queued {REPORT}\n\n" in stream.reader.raw.decode()
