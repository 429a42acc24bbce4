"""A key's concurrency slot is taken until the end of its stream, in each phase and under each policy."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from harness.keyed import KeyedStack
from harness.processes import until
from harness.read_again import reconfigure
from harness.stream_phases import AT_END, BEFORE, POLICIES, QUEUED, STREAMING, in_phase, nothing_left, taken_slots

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed() -> AsyncIterator[KeyedStack]:
    async with KeyedStack(slots=1) as stack:
        await reconfigure(stack, keep_seconds=60)
        yield stack


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def limited(keyed: KeyedStack) -> httpx.AsyncClient:
    """The client of a key that may have one open stream."""
    made = await keyed.create_key(limits={"concurrent_streams": 1})
    return keyed.with_key(made["key"])


async def takes_a_slot(client: httpx.AsyncClient) -> int:
    """The status of a further request: 429 while the slot is taken. It fails in its queue otherwise."""
    async with client.stream(
        "POST",
        "/v1/chat/completions",
        json={"model": "main", "stream": True, "messages": [{"role": "user", "content": "hi"}]},
        headers={"x-penstock-progress": "true"},
    ) as response:
        return response.status_code


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("phase", [QUEUED, BEFORE, STREAMING, AT_END])
@pytest.mark.parametrize("way", ["stop", "disconnect"])
async def test_stream_frees_its_slot_at_its_end(
    keyed: KeyedStack, limited: httpx.AsyncClient, phase: str, policy: str, way: str
) -> None:
    async def free() -> bool:
        return await takes_a_slot(limited) == 200

    async with contextlib.AsyncExitStack() as opened:
        if phase == QUEUED:
            await opened.enter_async_context(taken_slots(keyed, 1))
        async with in_phase(keyed, phase, "chat", policy, limited) as stream:
            assert await takes_a_slot(limited) == 429
            if way == "stop":
                assert (await limited.delete(f"/v1/streams/{stream.id}")).status_code == 200
                await stream.reader.rest()
        if way == "disconnect" and policy != "cancel":
            async with limited.stream("GET", f"/v1/streams/{stream.id}") as again:
                assert again.status_code == 200
                assert await takes_a_slot(limited) == 429
            assert (await limited.delete(f"/v1/streams/{stream.id}")).status_code == 200
        await until(free, "the slot is free")
    await nothing_left(keyed)
