"""A disconnect in each phase, under each policy, in each dialect: the call ends or goes on, and nothing is left."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness.gateway import Gateway
from harness.processes import until
from harness.read_again import closed_row, reconfigure
from harness.stack import Stack
from harness.stream_phases import (
    AT_END,
    BEFORE,
    ENDS_OF_A_STOP,
    POLICIES,
    QUEUED,
    STREAMING,
    PhasedStream,
    in_phase,
    nothing_left,
    taken_slots,
)
from harness.stream_reader import StreamReader
from harness.stream_requests import REQUESTS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
STACK = {"slots": 2}

DIALECTS = ("chat", "responses", "background", "ui")
"""One of those that are alike, a stored response, one that needs no reader, and a chat with a pointer."""


@pytest_asyncio.fixture(loop_scope="module")
async def kept(stack: Stack) -> AsyncIterator[Stack]:
    """The stack, with a route that allows each policy."""
    await reconfigure(stack, keep_seconds=60)
    yield stack


def goes_on(dialect: str, policy: str) -> bool:
    """A response in the background runs without a reader, under each policy."""
    return policy != "cancel" or dialect == "background"


async def stopped_elsewhere(other: Gateway, stream: PhasedStream) -> None:
    """The stream lives on for a reader at the other gateway; its end is a stop."""
    async with other.client.stream("GET", f"/v1/streams/{stream.id}") as again:
        assert again.status_code == 200
        assert stream.call is None or not stream.call.peer_closed
        assert (await other.client.delete(f"/v1/streams/{stream.id}")).status_code == 200
        assert ENDS_OF_A_STOP[stream.dialect] in await StreamReader(again).rest()


async def gone(stack: Stack, stream: PhasedStream, policy: str) -> None:
    """The row has its outcome; a stored response stays after a disconnect that ended it, until it is deleted."""
    await closed_row(stack, stream.id, "stopped" if goes_on(stream.dialect, policy) else "cancelled")
    if stream.dialect == "responses" and policy == "cancel":
        assert (await stack.client.delete(f"/v1/streams/{stream.id}")).status_code == 200


async def test_disconnect_of_a_queued_stream_withdraws_it_or_leaves_it(kept: Stack, other: Gateway) -> None:
    kinds = [(dialect, policy) for dialect in REQUESTS for policy in POLICIES]

    async def left(dialect: str, policy: str) -> PhasedStream:
        async with in_phase(kept, QUEUED, dialect, policy) as stream:
            pass
        return stream

    async def waiting() -> bool:
        return await kept.queued() == 2 + sum(goes_on(*kind) for kind in kinds)

    async with taken_slots(kept, 2):
        streams = await asyncio.gather(*(left(*kind) for kind in kinds))
        await until(waiting, "the streams that go on are in the queue")
        live = [stream for kind, stream in zip(kinds, streams, strict=True) if goes_on(*kind)]
        await asyncio.gather(*(stopped_elsewhere(other, stream) for stream in live))
    for (_, policy), stream in zip(kinds, streams, strict=True):
        await gone(kept, stream, policy)
    await nothing_left(kept)
    assert len(kept.main.calls) == 2


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("phase", [BEFORE, STREAMING, AT_END])
async def test_disconnect_does_what_the_policy_says(
    kept: Stack, other: Gateway, dialect: str, policy: str, phase: str
) -> None:
    async with in_phase(kept, phase, dialect, policy) as stream:
        pass
    if goes_on(dialect, policy):
        await stopped_elsewhere(other, stream)
    assert stream.call is not None
    await stream.call.left()
    await gone(kept, stream, policy)
    await nothing_left(kept)
