"""`DELETE /v1/streams/{id}` in each phase, under each policy, in each dialect: the call ends, and nothing is left."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from harness.processes import until
from harness.provider_answers import silence, text_stream, text_then_wait
from harness.read_again import closed_row, reconfigure
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import StreamReader
from harness.stream_requests import REQUESTS, ends

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
STACK = {"slots": 2}

CHAT = "/v1/chat/completions"
POLICIES = ("cancel", "grace=30", "detach")
ENDS_OF_A_STOP = {
    "simple": '"code":"stopped"',
    "chat": '"code":"stopped"',
    "completions": '"code":"stopped"',
    "messages": "event: error",
    "responses": '"status":"failed"',
    "background": '"status":"failed"',
    "ui": '"type":"abort"',
}


@pytest_asyncio.fixture(loop_scope="module")
async def kept(stack: Stack) -> AsyncIterator[Stack]:
    """The stack, with a route that allows each policy."""
    await reconfigure(stack, keep_seconds=60)
    yield stack


@contextlib.asynccontextmanager
async def begun(stack: Stack, dialect: str, policy: str, **fields: str) -> AsyncIterator[httpx.Response]:
    """A stream of this dialect, once its head has arrived: progress is sent before the first event.

    `fields` replace those of the AI SDK's body: a chat has one stream at a time.
    """
    request = REQUESTS[dialect]
    body = request.body | (fields if dialect == "ui" else {})
    headers = {"x-penstock-on-disconnect": policy, "x-penstock-progress": "true"}
    async with stack.client.stream("POST", request.path, json=body, headers=headers) as response:
        assert response.status_code == 200
        yield response


async def stop(stack: Stack, response: httpx.Response) -> str:
    """Stop the stream; returns its id."""
    id_ = response.headers["x-request-id"]
    assert (await stack.client.delete(f"/v1/streams/{id_}")).status_code == 200
    return id_


async def nothing_left(stack: Stack, id_: str) -> None:
    """No request is queued or in flight, and the stream is not there."""

    async def queue_empty() -> bool:
        return await stack.queued() == 0

    await until(queue_empty, "the queue is empty")
    await until(lambda: all(beat.in_flight == 0 for beat in stack.heartbeats.values()), "no slot is taken")
    assert (await stack.client.get(f"/v1/streams/{id_}")).status_code == 404


async def test_stop_of_a_queued_stream_calls_no_provider(kept: Stack) -> None:
    kept.main.answers(text_then_wait("busy"), text_then_wait("busy"), text_stream("never"))
    holders = [asyncio.create_task(kept.post(CHAT, completion(stream=True))) for _ in range(2)]
    await kept.main.called(2)

    async def stopped(dialect: str, policy: str) -> str:
        async with begun(kept, dialect, policy, id=f"chat-{policy}") as response:
            id_ = await stop(kept, response)
            assert ENDS_OF_A_STOP[dialect] in await StreamReader(response).rest()
        return id_

    ids = await asyncio.gather(*(stopped(dialect, policy) for dialect in REQUESTS for policy in POLICIES))
    for holder in holders:
        holder.cancel()
    for id_ in ids:
        await closed_row(kept, id_, "stopped")
        await nothing_left(kept, id_)
    assert len(kept.main.calls) == 2


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dialect", REQUESTS)
@pytest.mark.parametrize("phase", ["before the first event", "streaming"])
async def test_stop_ends_the_call_in_each_dialect(kept: Stack, dialect: str, policy: str, phase: str) -> None:
    kept.main.answers(silence if phase == "before the first event" else text_then_wait("Hello"))
    async with begun(kept, dialect, policy) as response:
        reader = StreamReader(response)
        await kept.main.called()
        while phase == "streaming" and "Hello" not in await reader.event():
            pass
        id_ = await stop(kept, response)
        await kept.main.calls[0].left()
        assert ENDS_OF_A_STOP[dialect] in await reader.rest()
    await closed_row(kept, id_, "stopped")
    await nothing_left(kept, id_)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dialect", REQUESTS)
async def test_stop_at_the_end_deletes_the_stream(kept: Stack, dialect: str, policy: str) -> None:
    kept.main.answers(text_stream("Hello"))
    async with begun(kept, dialect, policy) as response:
        assert ends(REQUESTS[dialect], await response.aread())
        id_ = await stop(kept, response)
    await closed_row(kept, id_, "stop")
    await nothing_left(kept, id_)
