"""A worker has as many calls open as it has slots; what waits, waits in the queue; what does not fit is refused."""

import asyncio
from collections import Counter

import pytest
from harness.expect import error_of
from harness.processes import until
from harness.provider_answers import chunk, finish, text_stream, when
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"slots": 4}


async def test_worker_with_4_slots_opens_at_most_4_calls_for_50_requests(stack: Stack) -> None:
    async def unhurried(call: Call) -> None:
        await call.head()
        await call.write(chunk("Hel"))
        await asyncio.sleep(0.005)
        await call.write(chunk("lo") + finish())
        await call.end()

    stack.main.answers(unhurried)
    responses = await asyncio.gather(*(stack.post("/api/chat", completion()) for _ in range(50)))
    assert Counter((response.status_code, texts_of(response.text)) for response in responses) == {(200, "Hello"): 50}
    assert len(stack.main.calls) == 50
    assert stack.main.open_max == 4


async def test_queue_delivers_in_order(stack: Stack) -> None:
    gate = asyncio.Event()
    stack.main.answers(when(gate, text_stream("Hello")))
    await stack.reconfigure(slots=1)
    requests = []
    for number in range(6):
        requests.append(asyncio.create_task(stack.post("/api/chat", completion(str(number)))))
        await until(lambda: _queued(stack, len(requests)), "the request is in the queue")
    gate.set()
    await asyncio.gather(*requests)
    assert [call.body["messages"][0]["content"] for call in stack.main.calls] == ["0", "1", "2", "3", "4", "5"]


async def test_queue_full_is_429_and_the_others_are_served(stack: Stack) -> None:
    await stack.reconfigure(slots=4, limits={"queueDepth": 10})
    gate = asyncio.Event()
    stack.main.answers(when(gate, text_stream("Hello")))
    requests = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(50)]
    await until(lambda: sum(request.done() for request in requests) == 40, "40 are refused")
    gate.set()
    responses = await asyncio.gather(*requests)
    assert Counter(response.status_code for response in responses) == {200: 10, 429: 40}
    for response in responses:
        if response.status_code == 429:
            error_of(response, 429, "queue_full", retry_after=2)
    assert stack.main.open_max == 4
    assert (await stack.post("/api/chat", completion())).status_code == 200, "the queue has room again"


async def test_queue_delivers_to_the_worker_with_free_slots(stack: Stack) -> None:
    gate = asyncio.Event()
    stack.main.answers(when(gate, text_stream("Hello")))
    first = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(4)]
    await stack.main.called(4)
    await stack.start_worker()
    more = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(4)]
    await stack.main.called(8, timeout_s=2)
    assert await stack.queued() == 8, "nothing is acked before its first event"
    gate.set()
    responses = await asyncio.gather(*first, *more)
    assert {response.status_code for response in responses} == {200}
    await until(lambda: _queued(stack, 0), "everything is acked")


async def _queued(stack: Stack, count: int) -> bool:
    return await stack.queued() == count
