"""Workers and gateways are killed or stopped: every stream has a defined end."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from harness.expect import error_of, ids_of, stream_error_of
from harness.interrupted_streams import STREAMS, assert_whole, is_queued, streams
from harness.plain_client import plain_client
from harness.processes import until
from harness.provider_answers import silence, text_stream, text_then_wait
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> AsyncIterator[Stack]:
    """Shared; what a test killed is started again before the next."""
    await module_stack.reset()
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


# Workers


async def test_worker_killed_before_its_first_event_is_replaced_invisibly(stack: Stack) -> None:
    stack.main.answers(silence, silence, silence, text_stream("Hello"))
    requests = [asyncio.create_task(stack.post(path, completion(stream=True))) for path in STREAMS]
    requests.append(asyncio.create_task(stack.post(STREAMS[1], completion())))
    await stack.main.called(3)
    await stack.start_worker()
    stack.workers[0].kill()
    responses = await asyncio.gather(*requests)
    assert [response.status_code for response in responses] == [200, 200, 200]
    assert [texts_of(response.text) for response in responses[:2]] == ["Hello", "Hello"]
    assert responses[2].json()["choices"][0]["message"]["content"] == "Hello"
    assert len(stack.main.calls) == 6
    for response in responses:
        ended = await stack.gateway.logged("gateway.request_ended", request_id=ids_of(response))
        assert ended["attempt"] == 2


async def test_worker_killed_after_its_first_event_ends_streams_with_worker_lost_within_5_s(
    stack: Stack,
) -> None:
    stack.main.answers(text_then_wait("Hel"))

    async def fail(path: str) -> float:
        async with stack.stream(path, completion(stream=True)) as stream:
            await stream.event()
            body = await stream.rest()
            stream_error_of(stream.response, body, "worker_lost")
            return time.monotonic()

    ends = [asyncio.create_task(fail(path)) for path in STREAMS]
    whole = asyncio.create_task(stack.post(STREAMS[1], completion()))
    await stack.main.called(3)
    await until(lambda: is_queued(stack, 0), "all have begun")
    await stack.start_worker()
    stack.workers[0].kill()
    killed = time.monotonic()
    for ended in await asyncio.gather(*ends):
        assert ended - killed < 5
    error_of(await whole, 502, "worker_lost")
    assert len(stack.main.calls) == 3, "what has begun is not run again"


async def test_worker_finishes_its_streams_on_sigterm_and_exits_0(stack: Stack) -> None:
    leaving = stack.workers[0]
    await stack.start_worker()
    stack.workers[1].terminate()
    assert await stack.workers[1].exited() == 0, "an idle one goes at once"

    async def stop() -> None:
        leaving.terminate()
        await leaving.logged("worker.draining")
        await stack.start_worker()
        stack.main.answers(text_stream("from the next"))
        assert texts_of((await stack.post("/api/chat", completion())).text) == "from the next"
        assert leaving.alive

    assert_whole(await streams(stack, stop))
    assert await leaving.exited() == 0


async def test_worker_stop_loses_and_delays_no_request(stack: Stack) -> None:
    await stack.reconfigure(slots=8)
    stack.main.answers(text_stream("Hello"))
    leaving = stack.workers[0]
    await stack.start_worker()
    slowest = 0.0
    stop = asyncio.Event()

    async def keep_sending() -> None:
        nonlocal slowest
        # A connection of its own: a request can wait for seconds in httpx's shared pool before it is sent.
        async with plain_client(stack.url) as client:
            while not stop.is_set():
                began = time.monotonic()
                response = await client.post("/api/chat", json=completion())
                assert texts_of(response.text) == "Hello"
                slowest = max(slowest, time.monotonic() - began)

    pending = [asyncio.create_task(keep_sending()) for _ in range(12)]
    await stack.main.called(50)
    leaving.terminate()
    assert await leaving.exited() == 0
    await stack.main.called(len(stack.main.calls) + 50)
    stop.set()
    await asyncio.gather(*pending)
    # A delivery that is lost comes back only after the ack time of 4 s.
    assert slowest < 2


# The gateway


async def test_gateway_finishes_its_streams_on_sigterm_and_accepts_no_more(stack: Stack) -> None:
    gateway = stack.gateway

    async def stop() -> None:
        gateway.terminate()
        await until(lambda: _refuses(stack), "the gateway does not listen any more")
        assert gateway.alive

    assert_whole(await streams(stack, stop))
    assert await gateway.exited() == 0


async def test_gateway_killed_has_its_calls_ended_within_5_s(stack: Stack) -> None:
    stack.main.answers(text_then_wait("Hel"), silence)
    async with stack.stream("/api/chat", completion()) as stream:
        await stream.event()
        waiting = asyncio.create_task(stack.post("/api/chat", completion()))
        await stack.main.called(2)
        stack.gateway.kill()
        killed = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            await stream.rest()
    with pytest.raises(httpx.TransportError):
        await waiting
    for call in stack.main.calls:
        assert await call.left(10) - killed < 5
    await stack.start_gateway()
    stack.main.answers(text_stream("Hello"))
    assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"
    assert len(stack.main.calls) == 3, "the killed gateway's requests are not run again"


# The broker


async def _refuses(stack: Stack) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", stack.gateway_port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False
