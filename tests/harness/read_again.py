"""Streams that are read again: requests, readers and rows, as several tests use them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
from harness.processes import until
from harness.provider_answers import chunk, finish, usage
from harness.provider_call import Answer, Call
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import StreamReader

from penstock_broker.stores.usage import read_rows
from penstock_contract.route.streams import StreamsSpec
from penstock_contract.usage.record import UsageRow

GRACE = {"x-penstock-on-disconnect": "grace=30"}
DOORS = ("/api/chat", "/v1/chat/completions")
WORDS = [f"word-{number} " for number in range(40)]


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


@contextlib.asynccontextmanager
async def reading(client: httpx.AsyncClient, id_: str) -> AsyncIterator[StreamReader]:
    """A further reader, after its first event."""
    async with client.stream("GET", f"/v1/streams/{id_}") as response:
        assert response.status_code == 200
        reader = StreamReader(response)
        await reader.event()
        yield reader


async def reconfigure(stack: Stack, **streams: Any) -> None:
    await stack.reconfigure()  # so that `reset` applies the default again
    await stack.apply("main", msgspec.structs.replace(stack.spec(), streams=StreamsSpec(**streams)))


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
