"""A stream is read again from any gateway, byte for byte, and stopped from any gateway."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from harness.gateway import Gateway
from harness.processes import until
from harness.provider_answers import chunk, finish, text_stream, text_then_wait, usage
from harness.provider_call import Answer, Call
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import StreamReader, texts_of

from penstock_broker.stores.usage import read_rows
from penstock_contract.route.streams import StreamsSpec
from penstock_contract.usage.record import UsageRow

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRACE = {"x-penstock-on-disconnect": "grace=30"}
DOORS = ("/api/chat", "/v1/chat/completions")
WORDS = [f"word-{number} " for number in range(40)]


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> AsyncIterator[Stack]:
    """Shared; what a test killed is started again before the next."""
    await module_stack.reset()
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


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


async def reconfigure(stack: Stack, **streams: Any) -> None:
    await stack.reconfigure()  # so that `reset` applies the default again
    await stack.apply("main", msgspec.structs.replace(stack.spec(), streams=StreamsSpec(**streams)))


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


async def test_kept_stream_is_read_after_its_worker_has_gone(stack: Stack, other: Gateway) -> None:
    await reconfigure(stack, keep_seconds=60)
    stack.main.answers(text_stream(*WORDS))
    id_, read = await begin(stack.client, DOORS[1], {"x-penstock-on-disconnect": "detach"}, 3)
    body = await whole(other.client, id_)
    assert body.startswith(read)
    worker = stack.worker
    worker.terminate()
    await worker.exited()
    assert await whole(other.client, id_) == body
    assert await whole(stack.client, id_, 7) == b"".join(part + b"\n\n" for part in body.split(b"\n\n")[7:-1])
    assert (await stack.client.delete(f"/v1/streams/{id_}")).status_code == 200
    assert (await other.client.get(f"/v1/streams/{id_}")).status_code == 404


async def rows_of(stack: Stack, id_: str) -> list[UsageRow]:
    return [row async for row in read_rows(stack.connection, since=0) if row.id == id_]


async def closed_row(stack: Stack, id_: str, ended: str) -> UsageRow:
    """The request's one row, when it is closed."""
    rows: list[UsageRow] = []

    async def closed() -> bool:
        rows[:] = await rows_of(stack, id_)
        return bool(rows) and rows[-1].ended == ended

    await until(closed, f"the row of {id_} is closed with {ended}", timeout_s=30)
    return rows[-1]


@pytest.mark.parametrize("policy", ["grace=30", "detach"])
async def test_stream_goes_on_without_the_gateway_that_began_it(stack: Stack, other: Gateway, policy: str) -> None:
    await reconfigure(stack, keep_seconds=60)
    go_on = asyncio.Event()
    stack.main.answers(paced(go_on))
    id_, read = await begin(stack.client, DOORS[1], {"x-penstock-on-disconnect": policy}, 5)
    stack.gateway.kill()
    await stack.gateway.exited()
    rest = asyncio.create_task(whole(other.client, id_, 5))
    await stack.worker.logged("worker.gateway_released")
    go_on.set()
    body = read + await rest
    assert body == await whole(other.client, id_)
    assert texts_of(body.decode()) == "".join(WORDS)
    assert len(stack.main.calls) == 1
    await closed_row(stack, id_, "stop")


async def test_stream_of_a_lost_worker_ends_with_worker_lost_for_later_readers(stack: Stack, other: Gateway) -> None:
    stack.main.answers(text_then_wait("Hello"))
    id_, read = await begin(stack.client, DOORS[1], GRACE, 1)
    async with reading(other.client, id_) as reader:
        stack.worker.kill()
        await reader.rest()
    assert reader.raw.startswith(read)
    assert b'"code":"worker_lost"' in reader.raw
    assert b'"code":"worker_lost"' in await whole(other.client, id_)
    await closed_row(stack, id_, "worker_lost")


async def test_stream_without_a_reader_ends_after_its_grace_time(stack: Stack) -> None:
    stack.main.answers(text_then_wait("Hello"))
    id_, _ = await begin(stack.client, DOORS[1], {"x-penstock-on-disconnect": "grace=0.5"}, 1)
    await stack.main.calls[0].left()
    await closed_row(stack, id_, "cancelled")


@pytest.mark.parametrize("asked", ["detach", "grace=31", "grace=", "later"])
async def test_policy_that_the_route_does_not_allow_is_refused(stack: Stack, asked: str) -> None:
    response = await stack.post(DOORS[1], completion(stream=True), headers={"x-penstock-on-disconnect": asked})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "x-penstock-on-disconnect")
    assert not stack.main.calls


async def test_streams_are_kept_found_and_stopped_with_the_brokers_permissions() -> None:
    async with Stack(users=True) as stack:
        directory = stack.directory / "other"
        directory.mkdir()
        async with Gateway.running(stack.nats.url, directory, **stack.gateway_user) as other:
            await other.has_model("main")
            await reconfigure(stack, keep_seconds=60)
            stack.main.answers(text_stream(*WORDS), text_then_wait("Hello"))
            id_, _ = await begin(stack.client, DOORS[1], {"x-penstock-on-disconnect": "detach"}, 3)
            body = await whole(other.client, id_)
            stack.worker.terminate()
            await stack.worker.exited()
            assert await whole(other.client, id_) == body
            await stack.start_worker()
            waiting = {"x-penstock-on-disconnect": "detach", "x-penstock-progress": "true"}
            id_, _ = await begin(stack.client, DOORS[1], waiting, 1)
            assert (await other.client.delete(f"/v1/streams/{id_}")).status_code == 200
            await stack.main.calls[1].left()
            refused = [
                line
                for process in (stack.gateway, other.process, *stack.workers)
                for line in process.events("broker.not_permitted")
            ]
            assert refused == []


async def test_stream_goes_on_when_the_broker_restarts(stack: Stack, other: Gateway) -> None:
    go_on = asyncio.Event()
    stack.main.answers(paced(go_on))
    id_, read = await begin(stack.client, DOORS[1], GRACE, 5)
    async with reading(other.client, id_) as reader:
        stack.nats.process.kill()
        await stack.nats.process.exited()
        go_on.set()
        await stack.restart_nats()
        await reader.rest()
    assert reader.raw.startswith(read)
    assert texts_of(reader.raw.decode()) == "".join(WORDS)
    assert len(stack.main.calls) == 1


async def test_stream_of_a_gateway_that_stops_is_cut_and_read_on_elsewhere(stack: Stack, other: Gateway) -> None:
    directory = stack.directory / "stopping"
    directory.mkdir()
    go_on = asyncio.Event()
    stack.main.answers(paced(go_on))
    async with Gateway.running(stack.nats.url, directory, PENSTOCK_SHUTDOWN_GRACE_S="0") as stopping:
        await stopping.has_model("main")
        async with stopping.client.stream("POST", DOORS[1], json=completion(stream=True), headers=GRACE) as response:
            reader = StreamReader(response)
            first = [await reader.event() for _ in range(5)]
            stopping.process.terminate()
            with pytest.raises(httpx.RemoteProtocolError):
                await reader.rest()
        assert b"error" not in reader.raw
        await stopping.process.exited()
    count = reader.raw.count(b"\n\n")
    assert count >= len(first)
    id_ = response.headers["x-request-id"]
    rest = asyncio.create_task(whole(other.client, id_, count))
    go_on.set()
    assert texts_of((reader.raw + await rest).decode()) == "".join(WORDS)
    assert len(stack.main.calls) == 1
    await closed_row(stack, id_, "stop")
