"""The bodies of a gateway are bounded in bytes: a flood of large requests ends no process and no stream."""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio
from harness.expect import error_of
from harness.memory_group import MemoryGroup, peak_bytes
from harness.plain_client import plain_client
from harness.processes import Process
from harness.provider_answers import chunk, finish, text_stream
from harness.provider_call import Call
from harness.route_spec import completion, provider, spec
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
LIMIT_BYTES = 384 * MIB
REQUESTS = 120
BODY = msgspec.json.encode({"model": "parked", "messages": [{"role": "user", "content": "x" * 6_000_000}]})
JSON = {"content-type": "application/json"}


@pytest_asyncio.fixture(loop_scope="module")
async def limited() -> AsyncIterator[tuple[Stack, MemoryGroup]]:
    """A stack whose gateway has 384 MiB, and a second route without workers."""
    group = MemoryGroup(LIMIT_BYTES)
    env = {} if group.limited else {"PENSTOCK_BODIES_BYTES_MAX": str((LIMIT_BYTES - 128 * MIB) // 4)}
    try:
        async with Stack(gateway_env=env) as stack:
            await stack.gateway.end()
            stack.processes.remove(stack.gateway)
            log = stack.directory / "limited.log"
            variables = {"PENSTOCK_NATS_URL": stack.nats.url, "PENSTOCK_PORT": str(stack.gateway_port), **env}
            command = group.command(sys.executable, "-m", "penstock_gateway")
            stack.gateway = Process("limited", command, log, variables)
            stack.processes.append(stack.gateway)
            await stack.serving()
            parked = spec([provider("main", stack.main.base_url)], models=["parked"], limits={"queueTimeoutSeconds": 5})
            await stack.apply("parked", parked)
            yield stack, group
    finally:
        group.remove()


async def test_gateway_refuses_bodies_beyond_its_memory_and_cuts_no_stream(limited: tuple[Stack, MemoryGroup]) -> None:
    stack, _ = limited
    gate = asyncio.Event()

    async def paced(call: Call) -> None:
        await call.head()
        await call.write(chunk("Hel"))
        await gate.wait()
        await call.write(chunk("lo") + finish())
        await call.end()

    stack.main.answers(paced)
    async with stack.stream("/api/chat", completion()) as reader:
        await reader.event()
        stack.main.answers(text_stream("Hello"))
        async with plain_client(stack.url, timeout=60, limits=httpx.Limits(max_connections=None)) as client:
            sent = [
                asyncio.create_task(client.post("/v1/chat/completions", content=BODY, headers=JSON))
                for _ in range(REQUESTS)
            ]
            others = []
            while not all(task.done() for task in sent):
                others.append(await stack.post("/api/chat", completion()))
            answers = await asyncio.gather(*sent)
        gate.set()
        assert texts_of(reader.raw.decode() + await reader.rest()) == "Hello", "the open stream is whole"

    assert {answer.status_code for answer in others} == {200}, "the other route is served meanwhile"
    codes = Counter(answer.json()["error"]["code"] for answer in answers)
    assert set(codes) == {"overloaded", "queue_timeout"}, codes
    assert codes["queue_timeout"] >= 4, "a part of the memory is used"
    refused = next(answer for answer in answers if answer.json()["error"]["code"] == "overloaded")
    error_of(refused, 503, "overloaded", retry_after=1)
    assert stack.gateway.alive
    assert peak_bytes(stack.gateway.pid) < LIMIT_BYTES

    assert await _bodies(stack) == 0, "every byte is given back"


async def _bodies(stack: Stack) -> float:
    text = (await stack.client.get("/metrics")).text
    found = re.search(r"^penstock_bodies_bytes(?:\{.*\})? (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])
