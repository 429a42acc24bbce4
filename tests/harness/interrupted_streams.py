"""Streams at both dialects that are interrupted after some tokens, and the check that they are complete."""

import asyncio
from collections.abc import Callable

import httpx
from harness.processes import until
from harness.provider_answers import chunk, finish, usage
from harness.provider_call import Answer, Call
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

STREAMS = ("/api/chat", "/v1/chat/completions")
TOKENS = [f"token-{number} " for number in range(80)]
AFTERWARDS = 20


def flow(over: asyncio.Event) -> Answer:
    """All `TOKENS`, at the pace of a real model; the last ones only when `over` is set."""

    async def answer(call: Call) -> None:
        await call.head()
        for number, token in enumerate(TOKENS):
            if number == len(TOKENS) - AFTERWARDS:
                await over.wait()
            await call.write(chunk(token))
            await asyncio.sleep(0.02)
        await call.write(finish() + usage())
        await call.end()

    return answer


async def streams(stack: Stack, midway: Callable[[], object], after: int = 10) -> list[str]:
    """Open a stream in each dialect, run `midway` after some tokens, and return the complete bodies."""
    reading = 0
    over = asyncio.Event()
    stack.main.answers(flow(over))

    async def read(path: str) -> str:
        nonlocal reading
        async with stack.stream(path, completion(stream=True)) as stream:
            assert stream.response.status_code == 200
            for _ in range(after):
                await stream.event()
            reading += 1
            await stream.rest()
            return stream.raw.decode()

    reads = [asyncio.create_task(read(path)) for path in STREAMS]
    await until(lambda: reading == len(STREAMS) or any(task.done() for task in reads), "tokens flow")
    result = midway()
    if asyncio.iscoroutine(result):
        await result
    over.set()
    return await asyncio.gather(*reads)


def assert_whole(bodies: list[str]) -> None:
    """Every token exactly once, in order, and the end."""
    for body in bodies:
        assert texts_of(body) == "".join(TOKENS)
        assert body.endswith("data: [DONE]\n\n")
        assert body.count("[DONE]") == 1


async def is_queued(stack: Stack, count: int) -> bool:
    return await stack.queued() == count


async def has_taken(stack: Stack, count: int) -> bool:
    return await stack.taken() == count


async def without_broker(stack: Stack) -> httpx.Response:
    """`GET /ready` of a gateway that has detected the loss of the broker."""

    async def found() -> httpx.Response | None:
        response = await stack.client.get("/ready")
        return response if "no connection" in response.json()["reason"] else None

    response: httpx.Response = await until(found, "the gateway has detected it")
    return response
