"""A client that goes away stops what it has caused, within 250 ms: the provider's call, or the wait in the queue."""

import asyncio
import time

import pytest
from harness.processes import until
from harness.provider_answers import chunk, silence, text_then_wait
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHIN_S = 0.25
STACK = {"slots": 2}
ENDPOINTS = pytest.mark.parametrize(
    ("path", "streaming"),
    [("/api/chat", True), ("/v1/chat/completions", True), ("/v1/chat/completions", False)],
    ids=["simple", "openai", "openai-whole"],
)


async def drip(call: Call) -> None:
    await call.head()
    while not call.gone.is_set():
        await call.write(chunk("drip "))
        await asyncio.sleep(0.01)


@ENDPOINTS
async def test_client_disconnect_before_the_first_token_ends_the_call(stack: Stack, path: str, streaming: bool) -> None:
    stack.main.answers(silence)
    request = asyncio.create_task(stack.post(path, completion(stream=streaming)))
    call = await stack.main.called()
    await _leave(request)
    left = time.monotonic()
    assert await call.left() - left < WITHIN_S
    await until(lambda: _queued(stack, 0), "the request is not given to anybody else")
    assert len(stack.main.calls) == 1


@ENDPOINTS
async def test_client_disconnect_during_a_stream_ends_the_call(stack: Stack, path: str, streaming: bool) -> None:
    stack.main.answers(drip)
    if streaming:
        async with stack.stream(path, completion(stream=True)) as stream:
            await stream.event()
            await stream.event()
    else:
        request = asyncio.create_task(stack.post(path, completion()))
        await until(lambda: _queued(stack, 0), "the worker has received the first token")
        await stack.main.called()
        await _leave(request)
    left = time.monotonic()
    assert await stack.main.calls[0].left() - left < WITHIN_S


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
async def test_client_disconnect_during_provider_silence_ends_the_call(stack: Stack, path: str) -> None:
    stack.main.answers(text_then_wait("Hel"))
    async with stack.stream(path, completion(stream=True)) as stream:
        await stream.event()
    left = time.monotonic()
    assert await stack.main.calls[0].left() - left < WITHIN_S


@ENDPOINTS
async def test_client_disconnect_in_the_queue_withdraws_the_request(stack: Stack, path: str, streaming: bool) -> None:
    stack.main.answers(silence)
    holding = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(2)]
    await stack.main.called(2)
    request = asyncio.create_task(stack.post(path, completion(stream=streaming)))
    await until(lambda: _queued(stack, 3), "the request waits")
    await _leave(request)
    await until(lambda: _queued(stack, 2), "the request is withdrawn", timeout_s=WITHIN_S)
    for task in holding:
        await _leave(task)
    await stack.main.idle()
    await until(lambda: _queued(stack, 0), "the queue is empty")
    assert len(stack.main.calls) == 2


async def test_client_disconnect_before_a_retry_ends_the_retries(stack: Stack) -> None:
    from harness.provider_answers import status

    stack.main.answers(status(429, {"retry-after": "5"}))
    request = asyncio.create_task(stack.post("/api/chat", completion()))
    await stack.main.called()
    await _leave(request)
    await until(lambda: _queued(stack, 0), "the request is over", timeout_s=1)
    await stack.worker.logged("worker.call_ended", code="provider_rate_limited")
    assert len(stack.main.calls) == 1


async def test_client_disconnect_frees_the_slot(stack: Stack) -> None:
    for _ in range(4):
        stack.main.answers(silence)
        calls = len(stack.main.calls)
        requests = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(2)]
        await stack.main.called(calls + 2, timeout_s=2)
        for request in requests:
            await _leave(request)
        await stack.main.idle()


async def test_client_disconnect_at_the_delivery_frees_the_slot(stack: Stack) -> None:
    stack.main.answers(silence)
    for _ in range(20):
        # As the first leave, the next are delivered, and theirs leave too.
        requests = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(8)]
        await until(lambda: _queued(stack, 8), "some are served, the others wait")
        for request in requests:
            request.cancel()
        await asyncio.wait(requests)
        await until(lambda: _queued(stack, 0), "the queue is empty", timeout_s=3)
    await stack.main.idle()
    calls = len(stack.main.calls)
    requests = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(2)]
    await stack.main.called(calls + 2, timeout_s=2)
    for request in requests:
        await _leave(request)


async def test_client_disconnect_is_logged_as_cancelled(stack: Stack) -> None:
    stack.main.answers(text_then_wait("Hel"))
    async with stack.stream("/api/chat", completion()) as stream:
        await stream.event()
        request_id = stream.response.headers["x-request-id"]
    assert (await stack.gateway.logged("gateway.request_ended", request_id=request_id))["code"] == "cancelled"
    assert (await stack.worker.logged("worker.call_ended", request_id=request_id))["code"] == "cancelled"


async def test_client_disconnect_does_not_affect_other_streams() -> None:
    async with Stack(slots=100) as stack:

        async def pour(call: Call) -> None:
            await call.head()
            while not call.gone.is_set():
                await call.write(chunk("drip ") * 3)
                await asyncio.sleep(0.002)

        stack.main.answers(pour)

        async def listen(events: int) -> None:
            async with stack.stream("/api/chat", completion()) as stream:
                for _ in range(events):
                    assert await stream.event() == 'data: {"text":"drip "}'

        for _ in range(5):
            await asyncio.gather(*(listen(1 + number % 30) for number in range(60)))
        assert [line for line in stack.gateway.events() if line["level"] == "error"] == []


async def _leave(request: asyncio.Task[object]) -> None:
    """Cancel a request: httpx closes its connection."""
    request.cancel()
    await asyncio.wait([request])


async def _queued(stack: Stack, count: int) -> bool:
    return await stack.queued() == count
