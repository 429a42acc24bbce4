"""A stream with grace or detach outlives its gateway; each other death has a stated end, also for later readers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from harness.gateway import Gateway
from harness.provider_answers import text_stream, text_then_wait
from harness.read_again import DOORS, GRACE, WORDS, begin, closed_row, paced, reading, reconfigure, whole
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import StreamReader, texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> AsyncIterator[Stack]:
    """Shared; what a test killed is started again before the next."""
    await module_stack.reset()
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


@contextlib.asynccontextmanager
async def gateway_beside(stack: Stack) -> AsyncIterator[Gateway]:
    directory = stack.directory / "beside"
    directory.mkdir()
    async with Gateway.running(stack.nats.url, directory) as gateway:
        await gateway.has_model("main")
        yield gateway


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


async def test_stream_goes_on_when_the_broker_restarts() -> None:
    async with Stack() as stack, gateway_beside(stack) as other:
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


async def test_stream_that_ended_and_is_not_kept_is_not_found_at_any_gateway(stack: Stack, other: Gateway) -> None:
    stack.main.answers(text_stream("Hello"))
    id_, _ = await begin(stack.client, DOORS[1], GRACE, 1)
    await closed_row(stack, id_, "stop")
    for worker in stack.workers:
        worker.kill()
        await worker.exited()
    assert (await other.client.get(f"/v1/streams/{id_}")).status_code == 404
    stack.gateway.kill()
    await stack.gateway.exited()
    assert (await other.client.get(f"/v1/streams/{id_}")).status_code == 404
