"""Streams of each dialect, brought into one phase of their life, and what must be left of them afterwards."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator

import httpx
from harness.processes import until
from harness.provider_answers import chunk, finish, silence
from harness.provider_call import Answer, Call
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import StreamReader
from harness.stream_requests import REQUESTS

from penstock_contract import subjects

PHASES = QUEUED, BEFORE, STREAMING, AT_END = "queued", "before the first event", "streaming", "at the end"
POLICIES = ("cancel", "grace=30", "detach")
CHATS = itertools.count()
ENDS_OF_A_STOP = {
    "simple": '"code":"stopped"',
    "chat": '"code":"stopped"',
    "completions": '"code":"stopped"',
    "messages": "event: error",
    "responses": '"status":"failed"',
    "background": '"status":"failed"',
    "ui": '"type":"abort"',
}


async def _text(call: Call) -> None:
    await call.head()
    await call.write(chunk("Hello"))


async def _unfinished(call: Call) -> None:
    """Everything but the token counts and the end."""
    await _text(call)
    await call.write(finish())


ANSWERS: dict[str, Answer] = {QUEUED: silence, BEFORE: silence, STREAMING: _text, AT_END: _unfinished}


class PhasedStream:
    """An open stream in its phase; `call` is the provider's, None while it is queued."""

    def __init__(self, dialect: str, response: httpx.Response, reader: StreamReader, call: Call | None) -> None:
        self.dialect = dialect
        self.id: str = response.headers["x-request-id"]
        self.reader = reader
        self.call = call


@contextlib.asynccontextmanager
async def taken_slots(stack: Stack, slots: int) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """So many streams that only a disconnect ends, by `cancel` of their task."""
    calls = len(stack.main.calls)
    stack.main.answers(silence)
    body = completion(stream=True)
    holders = [asyncio.create_task(stack.post("/v1/chat/completions", body)) for _ in range(slots)]
    await stack.main.called(calls + slots)
    try:
        yield holders
    finally:
        for holder in holders:
            holder.cancel()


@contextlib.asynccontextmanager
async def in_phase(
    stack: Stack, phase: str, dialect: str, policy: str, client: httpx.AsyncClient | None = None
) -> AsyncIterator[PhasedStream]:
    """A stream in its phase; the end of the block is a disconnect. `QUEUED`: all slots must be taken."""
    calls = len(stack.main.calls)
    stack.main.answers(ANSWERS[phase])
    request = REQUESTS[dialect]
    # A chat has one stream at a time.
    body = request.body | ({"id": f"chat-{next(CHATS)}"} if dialect == "ui" else {})
    headers = {"x-penstock-on-disconnect": policy, "x-penstock-progress": "true"}
    async with (client or stack.client).stream("POST", request.path, json=body, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        reader = StreamReader(response)
        call = None if phase == QUEUED else await stack.main.called(calls + 1)
        if phase == QUEUED:
            while "queued" not in await reader.event():
                pass
        while phase in {STREAMING, AT_END} and "Hello" not in await reader.event():
            pass
        yield PhasedStream(dialect, response, reader, call)


async def nothing_left(stack: Stack) -> None:
    """No request is queued or in flight, no call is open, no stream is open, and nothing is stored of one."""

    async def queue_empty() -> bool:
        return await stack.queued() == 0

    async def gateway_empty() -> bool:
        series = (await stack.client.get("/metrics")).text.splitlines()
        return [float(line.split()[-1]) for line in series if line.startswith("penstock_streams_in_flight")] == [0]

    async def store_empty() -> bool:
        return not await kept_subjects(stack)

    await until(queue_empty, "the queue is empty")
    await until(lambda: all(beat.in_flight == 0 for beat in stack.heartbeats.values()), "no slot is taken")
    await until(gateway_empty, "no stream is open at the gateway")
    await until(store_empty, "nothing is kept", timeout_s=10)
    await stack.main.idle()


async def kept_subjects(stack: Stack) -> list[str]:
    """Descriptors, inputs and frames in the store of streams.

    Not the pointer from a chat to its last stream, which expires by its TTL: a later request of the chat replaces it.
    """
    wanted = json.dumps({"subjects_filter": "penstock.>"}).encode()
    reply = await stack.connection.client.request(f"$JS.API.STREAM.INFO.{subjects.STREAMS}", wanted)
    return [one for one in json.loads(reply.data)["state"].get("subjects") or () if ".chat-" not in one]
