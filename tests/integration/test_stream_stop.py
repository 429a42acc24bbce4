"""`DELETE /v1/streams/{id}` in each phase, under each policy, in each dialect: the call ends, and nothing is left."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness.provider_answers import text_stream
from harness.read_again import closed_row, reconfigure
from harness.stack import Stack
from harness.stream_phases import (
    AT_END,
    BEFORE,
    ENDS_OF_A_STOP,
    POLICIES,
    QUEUED,
    STREAMING,
    in_phase,
    nothing_left,
    taken_slots,
)
from harness.stream_requests import REQUESTS, ends

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
STACK = {"slots": 2}


@pytest_asyncio.fixture(loop_scope="module")
async def kept(stack: Stack) -> AsyncIterator[Stack]:
    """The stack, with a route that allows each policy."""
    await reconfigure(stack, keep_seconds=60)
    yield stack


async def stop(stack: Stack, id_: str) -> None:
    assert (await stack.client.delete(f"/v1/streams/{id_}")).status_code == 200


async def gone(stack: Stack, id_: str, ended: str) -> None:
    """The stream is not there, its row has this outcome, and nothing is left of it."""
    assert (await stack.client.get(f"/v1/streams/{id_}")).status_code == 404
    await closed_row(stack, id_, ended)
    await nothing_left(stack)


async def test_stop_of_a_queued_stream_calls_no_provider(kept: Stack) -> None:
    async def stopped(dialect: str, policy: str) -> str:
        async with in_phase(kept, QUEUED, dialect, policy) as stream:
            await stop(kept, stream.id)
            assert ENDS_OF_A_STOP[dialect] in await stream.reader.rest()
        return stream.id

    async with taken_slots(kept, 2):
        ids = await asyncio.gather(*(stopped(dialect, policy) for dialect in REQUESTS for policy in POLICIES))
    for id_ in ids:
        await gone(kept, id_, "stopped")
    assert len(kept.main.calls) == 2


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dialect", REQUESTS)
@pytest.mark.parametrize("phase", [BEFORE, STREAMING, AT_END])
async def test_stop_ends_the_call_in_each_dialect(kept: Stack, dialect: str, policy: str, phase: str) -> None:
    async with in_phase(kept, phase, dialect, policy) as stream:
        await stop(kept, stream.id)
        assert stream.call is not None
        await stream.call.left()
        assert ENDS_OF_A_STOP[dialect] in await stream.reader.rest()
    await gone(kept, stream.id, "stopped")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dialect", REQUESTS)
async def test_stop_after_the_end_deletes_the_stream(kept: Stack, dialect: str, policy: str) -> None:
    kept.main.answers(text_stream("Hello"))
    request = REQUESTS[dialect]
    headers = {"x-penstock-on-disconnect": policy}
    async with kept.client.stream("POST", request.path, json=request.body, headers=headers) as response:
        assert ends(request, await response.aread())
    id_ = response.headers["x-request-id"]
    await stop(kept, id_)
    await gone(kept, id_, "stop")
