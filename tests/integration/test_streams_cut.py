"""Streams of each dialect, cut at random bytes and read on at another gateway; also while gateways are killed.

`make cut-streams` runs it with 1 000 streams.
"""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
from harness.cut_reader import CutReader
from harness.gateway import Gateway
from harness.processes import until
from harness.provider_answers import chunk, finish, usage
from harness.provider_call import Call
from harness.stack import Stack
from harness.stream_requests import REQUESTS, ends
from msgspec.structs import replace

from penstock_broker.stores.usage import read_rows
from penstock_contract.route.streams import StreamsSpec

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

STREAMS = int(os.environ.get("PENSTOCK_CUT_STREAMS", "60"))
SEED = int(os.environ.get("PENSTOCK_CUT_SEED", "15"))
AT_ONCE = 40
CUTS_MAX = 5
KEPT = StreamsSpec(keep_seconds=600)
HEADERS = {"x-penstock-on-disconnect": "grace=30"}
KINDS = list(REQUESTS.values())
WORDS = [f"word-{number} " for number in range(60)]


async def answer(call: Call) -> None:
    """`WORDS`, at the pace of a fast model."""
    await call.head()
    for word in WORDS:
        await call.write(chunk(word))
        await asyncio.sleep(0.01)
    await call.write(finish() + usage())
    await call.end()


@contextlib.asynccontextmanager
async def gateways(stack: Stack, count: int) -> AsyncIterator[list[Gateway]]:
    async with contextlib.AsyncExitStack() as opened:
        made = []
        await stack.apply("main", replace(stack.spec(), streams=KEPT))
        for number in range(count):
            directory = stack.directory / f"gateway-{number}"
            directory.mkdir()
            made.append(await opened.enter_async_context(Gateway.running(stack.nats.url, directory)))
        for gateway in made:
            await gateway.has_model("main")
        yield made


async def read_all(clients: list[httpx.AsyncClient], begun: asyncio.Event) -> list[CutReader]:
    dice = random.Random(SEED)
    readers = [CutReader(clients, 1 + dice.randrange(CUTS_MAX), random.Random(dice.random())) for _ in range(STREAMS)]
    free = asyncio.Semaphore(AT_ONCE)

    async def run(number: int, reader: CutReader) -> None:
        async with free:
            if number == STREAMS // 2:
                begun.set()
            await reader.run(KINDS[number % len(KINDS)], HEADERS)

    await asyncio.gather(*(run(number, reader) for number, reader in enumerate(readers)))
    return readers


async def verify(stack: Stack, readers: list[CutReader], client: httpx.AsyncClient) -> None:
    """Each stream is what an undisturbed client reads, and was made and counted once."""
    for number, reader in enumerate(readers):
        body = reader.read.decode()
        assert [word for word in WORDS if word in body] == WORDS, f"stream {number}"
        assert ends(reader.request, reader.read), f"stream {number}"
        again = await client.get(f"/v1/streams/{reader.id}")
        assert again.content == reader.read, f"stream {number}"
    assert STREAMS <= len(stack.main.calls) <= STREAMS + sum(reader.lost for reader in readers)
    ids = {reader.id for reader in readers}
    assert len(ids) == STREAMS

    async def closed() -> bool:
        ended = {row.id: row.ended async for row in read_rows(stack.connection, since=0) if row.id in ids}
        return Counter(ended.values()) == {"stop": STREAMS}

    await until(closed, "each stream has its one closed row", timeout_s=60)


async def test_streams_cut_at_random_bytes_are_read_on_at_other_gateways() -> None:
    async with Stack(slots=AT_ONCE) as stack, gateways(stack, 1) as others:
        stack.main.answers(*[answer] * STREAMS)
        clients = [stack.client, *(other.client for other in others)]
        readers = await read_all(clients, asyncio.Event())
        assert sum(reader.cut for reader in readers) >= STREAMS
        await verify(stack, readers, others[0].client)


async def test_streams_survive_kills_of_the_gateways_that_began_them() -> None:
    async with Stack(slots=AT_ONCE) as stack, gateways(stack, 2) as others:
        stack.main.answers(*[answer] * (STREAMS + AT_ONCE))
        begun = asyncio.Event()
        clients = [others[0].client, stack.client, others[1].client]
        reading = asyncio.create_task(read_all(clients, begun))
        await asyncio.wait((reading, asyncio.create_task(begun.wait())), return_when=asyncio.FIRST_COMPLETED)
        others[0].process.kill()
        clients.remove(others[0].client)
        readers = await reading
        await verify(stack, readers, stack.client)
