"""The kept streams of one key are bounded in bytes: the oldest are dropped, by the gateway's own permissions."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from harness.stack import Stack

from penstock_broker.connection import Connection
from penstock_broker.stores.streams import KeptFrameWriter, StreamStore
from penstock_contract import subjects
from penstock_contract.stream.descriptor import DisconnectPolicy, Rendering, StreamDescriptor
from penstock_contract.stream.events import TextDelta
from penstock_contract.stream.frames import Frame

pytestmark = pytest.mark.asyncio
TTL_S = 600.0
BYTES_MAX = 64 * 1024


@contextlib.asynccontextmanager
async def connected(stack: Stack, name: str, inbox: str, credentials: str) -> AsyncIterator[Connection]:
    connection = Connection(stack.nats.url, name, inbox_prefix=inbox, credentials=credentials)
    await connection.start()
    try:
        yield connection
    finally:
        await connection.close()


def descriptor(tenant: str, number: int) -> StreamDescriptor:
    rendering = Rendering("chat", "main", 0)
    policy = DisconnectPolicy(None, TTL_S)
    return StreamDescriptor(f"req_{number:024x}", tenant, "default.main", number, "gateway", rendering, policy)


async def test_store_drops_the_oldest_streams_of_a_key_over_its_bytes() -> None:
    async with Stack(users=True) as stack, contextlib.AsyncExitStack() as opened:
        assert stack.users is not None
        gateway = await opened.enter_async_context(
            connected(stack, "gateway", subjects.GATEWAY_INBOX, stack.users.gateway)
        )
        inbox = subjects.worker_inbox("default", "main")
        worker = await opened.enter_async_context(
            connected(stack, "worker", inbox, stack.users.worker("default", "main"))
        )
        writer = KeptFrameWriter(worker, "default", "main", worker="worker")
        store = StreamStore(gateway, tenant_bytes_max=BYTES_MAX)

        async def keep(tenant: str, number: int, size: int) -> StreamDescriptor:
            one = descriptor(tenant, number)
            await writer.write(tenant, one.id, [Frame(number, 1, 0, TextDelta("x" * size))], TTL_S)
            return one

        # Short answers count by their bytes: 40 of them and a large one fill half of the bound.
        other = await keep("other", 1, 40_000)
        large = await keep("key", 2, 40_000)
        short = [await keep("key", number, 100) for number in range(3, 43)]
        await store.put_input("key", short[0].id, b"x" * 10_000, TTL_S)
        await store.trim("key")
        assert [bool(await store.frames(one)) for one in (large, *short)] == [True] * 41

        newest = await keep("key", 43, 30_000)
        for _ in range(32):
            await store.trim("key")
        assert not await store.frames(large)
        assert [bool(await store.frames(one)) for one in (*short, newest)] == [True] * 41
        assert await store.get_input("key", short[0].id) is not None
        assert await store.frames(other)

        await keep("key", 44, 60_000)
        for _ in range(32):
            await store.trim("key")
        assert not any([await store.frames(one) for one in (*short[:20], newest)])
        assert await store.get_input("key", short[0].id) is None
        assert await store.frames(other)
