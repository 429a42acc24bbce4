"""`DELETE /v1/streams/{id}` and a disconnect, in each phase of a stream and under each policy."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio
from harness.processes import until
from harness.provider_answers import silence, text_stream, text_then_wait
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import StreamReader

from penstock_broker.stores.usage import read_rows
from penstock_contract.route.streams import StreamsSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")
STACK = {"slots": 2}

PATH = "/v1/chat/completions"
POLICIES = ("cancel", "grace=30", "detach")
ENDED_S = 2.0
"""A generous bound: the benchmark measures the goal of 250 ms."""


@pytest_asyncio.fixture(loop_scope="module")
async def kept(stack: Stack) -> AsyncIterator[Stack]:
    """The stack, with a route that allows each policy."""
    await stack.reconfigure()
    await stack.apply("main", msgspec.structs.replace(stack.spec(), streams=StreamsSpec(keep_seconds=60)))
    yield stack


def asking(policy: str) -> dict[str, str]:
    return {"x-penstock-on-disconnect": policy, "x-penstock-progress": "true"}


async def ended(stack: Stack, id_: str) -> str:
    """The outcome in the request's usage row."""
    found: list[str] = []

    async def closed() -> bool:
        found[:] = [row.ended async for row in read_rows(stack.connection, since=0) if row.id == id_ and row.ended]
        return bool(found)

    await until(closed, "the row is closed", timeout_s=15)
    return found[-1]


async def nothing_left(stack: Stack) -> None:
    """No request is queued or in flight."""
    await until(lambda: _none_queued(stack), "the queue is empty")
    await until(lambda: all(beat.in_flight == 0 for beat in stack.heartbeats.values()), "no slot is taken")


async def _none_queued(stack: Stack) -> bool:
    return await stack.queued() == 0


async def stop(client: httpx.AsyncClient, id_: str) -> float:
    at = time.monotonic()
    response = await client.delete(f"/v1/streams/{id_}")
    assert response.status_code == 200, response.text
    return at


@pytest.mark.parametrize("policy", POLICIES)
async def test_stop_of_a_queued_stream_reaches_no_provider(kept: Stack, policy: str) -> None:
    kept.main.answers(text_then_wait("busy"), text_then_wait("busy"), text_stream("never"))
    holders = [asyncio.create_task(kept.post(PATH, completion(stream=True))) for _ in range(2)]
    await kept.main.called(2)
    async with kept.client.stream("POST", PATH, json=completion(stream=True), headers=asking(policy)) as response:
        reader = StreamReader(response)
        assert await reader.event() == ': queued {"position":1,"cause":"all workers are busy"}'
        await stop(kept.client, response.headers["x-request-id"])
        assert '"code":"stopped"' in await reader.rest()
    for holder in holders:
        holder.cancel()
    assert await ended(kept, response.headers["x-request-id"]) == "stopped"
    await nothing_left(kept)
    assert len(kept.main.calls) == 2


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("phase", ["before the first event", "streaming"])
async def test_stop_ends_the_call_of_the_provider(kept: Stack, policy: str, phase: str) -> None:
    kept.main.answers(silence if phase == "before the first event" else text_then_wait("Hello"))
    async with kept.client.stream("POST", PATH, json=completion(stream=True), headers=asking(policy)) as response:
        reader = StreamReader(response)
        await kept.main.called()
        while phase == "streaming" and "Hello" not in await reader.event():
            pass
        at = await stop(kept.client, response.headers["x-request-id"])
        assert await kept.main.calls[0].left() - at < ENDED_S
        assert '"code":"stopped"' in await reader.rest()
    assert await ended(kept, response.headers["x-request-id"]) == "stopped"
    await nothing_left(kept)


@pytest.mark.parametrize("policy", POLICIES)
async def test_stop_at_the_end_deletes_what_is_kept(kept: Stack, policy: str) -> None:
    kept.main.answers(text_stream("Hello"))
    response = await kept.post(PATH, completion(stream=True), headers=asking(policy))
    id_ = response.headers["x-request-id"]
    assert response.text.endswith("data: [DONE]\n\n")
    await stop(kept.client, id_)
    assert (await kept.client.get(f"/v1/streams/{id_}")).status_code == 404
    assert await ended(kept, id_) == "stop"
    await nothing_left(kept)


@pytest.mark.parametrize(("policy", "goes_on"), [("cancel", False), ("grace=30", True), ("detach", True)])
@pytest.mark.parametrize("phase", ["before the first event", "streaming"])
async def test_disconnect_does_what_the_policy_says(kept: Stack, policy: str, phase: str, goes_on: bool) -> None:
    kept.main.answers(silence if phase == "before the first event" else text_then_wait("Hello"))
    async with kept.client.stream("POST", PATH, json=completion(stream=True), headers=asking(policy)) as response:
        reader = StreamReader(response)
        await kept.main.called()
        while phase == "streaming" and "Hello" not in await reader.event():
            pass
    id_ = response.headers["x-request-id"]
    call = kept.main.calls[0]
    if goes_on:
        # A reader proves that the stream lives after the disconnect; its own end is the stop.
        async with kept.client.stream("GET", f"/v1/streams/{id_}") as again:
            assert again.status_code == 200
            assert not call.peer_closed
            await stop(kept.client, id_)
            assert '"code":"stopped"' in await StreamReader(again).rest()
    await call.left()
    assert await ended(kept, id_) == ("stopped" if goes_on else "cancelled")
    await nothing_left(kept)


async def test_queued_event_of_the_simple_dialect_names_position_and_cause(kept: Stack) -> None:
    kept.main.answers(text_then_wait("busy"), text_then_wait("busy"), text_stream("at last"))
    async with (
        kept.stream(PATH, completion(stream=True)) as first,
        kept.stream(PATH, completion(stream=True)) as second,
        kept.client.stream("POST", "/api/chat", json=completion(stream=True), headers=asking("cancel")) as response,
    ):
        await asyncio.gather(first.event(), second.event())
        reader = StreamReader(response)
        assert await reader.event() == 'event: queued\ndata: {"position":1,"cause":"all workers are busy"}'
        await first.response.aclose()
        assert await reader.rest() == 'data: {"text":"at last"}\n\ndata: [DONE]\n\n'
