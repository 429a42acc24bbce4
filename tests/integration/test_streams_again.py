"""A stream is read again from any gateway, byte for byte, and stopped from any gateway."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from harness.gateway import Gateway
from harness.provider_answers import chunk, finish, text_then_wait, usage
from harness.provider_call import Answer, Call
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import StreamReader

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRACE = {"x-penstock-on-disconnect": "grace=30"}
DOORS = ("/api/chat", "/v1/chat/completions")
WORDS = [f"word-{number} " for number in range(40)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def other(module_stack: Stack) -> AsyncIterator[Gateway]:
    """A second gateway of the same stack."""
    directory = module_stack.directory / "other"
    directory.mkdir()
    async with Gateway.running(module_stack.nats.url, directory) as gateway:
        await gateway.has_model("main")
        yield gateway


def paced(go_on: asyncio.Event) -> Answer:
    """Half of `WORDS`, and the rest after the event."""

    async def answer(call: Call) -> None:
        await call.head()
        for number, word in enumerate(WORDS):
            if number == len(WORDS) // 2:
                await go_on.wait()
            await call.write(chunk(word))
        await call.write(finish() + usage())
        await call.end()

    return answer


async def begin(client: httpx.AsyncClient, path: str, headers: dict[str, str], events: int) -> tuple[str, bytes]:
    """Read so many events of a new stream, then disconnect; returns its id and these bytes."""
    async with client.stream("POST", path, json=completion(stream=True), headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        read = b""
        async for data in response.aiter_raw():
            read += data
            if read.count(b"\n\n") >= events:
                break
    return response.headers["x-request-id"], b"".join(part + b"\n\n" for part in read.split(b"\n\n")[:events])


async def whole(client: httpx.AsyncClient, id_: str, after: int = 0) -> bytes:
    response = await client.get(f"/v1/streams/{id_}", headers={"last-event-id": str(after)} if after else {})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return response.content


@pytest.mark.parametrize("path", DOORS)
async def test_stream_is_read_on_at_another_gateway_byte_for_byte(stack: Stack, other: Gateway, path: str) -> None:
    go_on = asyncio.Event()
    stack.main.answers(paced(go_on))
    id_, read = await begin(stack.client, path, GRACE, 5)
    rest = asyncio.create_task(whole(other.client, id_, 5))
    again = asyncio.create_task(whole(stack.client, id_))
    go_on.set()
    bodies = await asyncio.gather(rest, again)
    assert read + bodies[0] == bodies[1]
    assert bodies[1].endswith(b"data: [DONE]\n\n")
    assert all(word.strip().encode() in bodies[1] for word in WORDS)
    assert await whole(other.client, id_) == bodies[1]
    assert len(stack.main.calls) == 1
    await stack.gateway.logged("gateway.request_ended", request_id=id_)


@contextlib.asynccontextmanager
async def reading(client: httpx.AsyncClient, id_: str) -> AsyncIterator[StreamReader]:
    """A further reader, after its first event."""
    async with client.stream("GET", f"/v1/streams/{id_}") as response:
        assert response.status_code == 200
        reader = StreamReader(response)
        await reader.event()
        yield reader


@pytest.mark.parametrize("headers", [GRACE, {}])
async def test_stream_stopped_at_another_gateway_ends_for_every_reader(
    stack: Stack, other: Gateway, headers: dict[str, str]
) -> None:
    stack.main.answers(text_then_wait("Hello"))
    async with stack.client.stream("POST", DOORS[1], json=completion(stream=True), headers=headers) as response:
        first = StreamReader(response)
        await first.event()
        id_ = response.headers["x-request-id"]
        async with reading(stack.client, id_) as here, reading(other.client, id_) as there:
            answer = await other.client.delete(f"/v1/streams/{id_}")
            assert answer.json() == {"id": id_, "object": "stream", "deleted": True}
            await asyncio.gather(first.rest(), here.rest(), there.rest())
    assert first.raw == here.raw == there.raw
    assert b'"code":"stopped"' in first.raw
    await stack.main.calls[0].left()
    assert (await other.client.delete(f"/v1/streams/{id_}")).status_code == 404
    missing = await other.client.get(f"/v1/streams/{id_}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "stream_not_found")
