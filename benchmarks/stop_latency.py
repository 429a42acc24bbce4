"""From a stop, or a disconnect, to the end of the provider's call, in each phase of a stream and under each policy.

    .venv/bin/python benchmarks/stop_latency.py [--streams 100]

Two gateways, one worker, a scripted provider in this process. A stream is ended by `DELETE /v1/streams/{id}` at the
gateway that began it or at the other one, or by its client's disconnect. Measured until the provider reads the end of
its connection; of a queued stream, until the request is out of the queue. A call that must go on is observed for
`GOES_ON_S`. Prints a table, and what is left in any table afterwards. Exit status 1 if a p99 is above `P99_MAX_S`, a
call goes on or ends against its policy, or something is left.
"""

import argparse
import asyncio
import contextlib
import itertools
import math
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from harness.keyed import KeyedStack
from harness.processes import until
from harness.provider_answers import chunk, finish
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stream_reader import StreamReader

from penstock_broker.stores.usage import read_rows
from penstock_contract import subjects
from penstock_contract.route.streams import StreamsSpec

PHASES = QUEUED, BEFORE, STREAMING, AT_END = "queued", "before the first event", "streaming", "at the end"
POLICIES = ("cancel", "grace=30", "detach")
HERE, ELSEWHERE, DISCONNECT = WAYS = "`DELETE`, same gateway", "`DELETE`, other gateway", "disconnect"
P99_MAX_S = 0.25
GOES_ON_S = 0.5
ENDED_WITHIN_S = 5.0
SLOTS = 32
AT_ONCE = 25
"""Streams that are open together; they are ended one after the other."""
LIMIT = SLOTS + AT_ONCE
"""Of the key's open streams: all of its slots are in use while streams are queued."""
PATH = "/v1/chat/completions"
PACE_S = 0.02


@dataclass
class Begun:
    """A stream in its phase, with its client's connection."""

    id: str
    number: int
    reader: StreamReader
    connection: contextlib.AsyncExitStack


@dataclass
class Result:
    """One cell of the table."""

    seconds: list[float] = field(default_factory=list)
    went_on: int = 0

    def text(self) -> str:
        if not self.seconds:
            return f"goes on ({self.went_on})"
        return f"{1000 * percentile(self.seconds, 0.5):.1f} / {1000 * percentile(self.seconds, 0.99):.1f}"


def percentile(values: list[float], part: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


class Provider:
    """Answers by the phase in the prompt; `calls` by the number in it."""

    def __init__(self) -> None:
        self.calls: dict[int, Call] = {}

    async def answer(self, call: Call) -> None:
        phase, _, number = call.body["messages"][0]["content"].rpartition(" ")
        self.calls[int(number)] = call
        if phase not in {STREAMING, AT_END}:
            return
        await call.head()
        await call.write(chunk("Hello"))
        if phase == AT_END:
            await call.write(finish())
            return
        while not call.gone.is_set():
            await asyncio.sleep(PACE_S)
            await call.write(chunk(" again"))

    async def called(self, number: int) -> None:
        await until(lambda: number in self.calls, f"the provider is called for {number}")


class Measurement:
    def __init__(self, stack: KeyedStack, here: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
        self._stack = stack
        self._here = here
        self._other = other
        self._provider = Provider()
        self._numbers = itertools.count()
        self._stopped: list[str] = []
        self._outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        stack.main.answers(self._provider.answer)

    async def cell(self, phase: str, policy: str, way: str, streams: int) -> Result:
        result = Result()
        async with self._busy(SLOTS if phase == QUEUED else 0):
            for _ in range(math.ceil(streams / AT_ONCE)):
                begun = await asyncio.gather(*(self._begin(phase, policy) for _ in range(AT_ONCE)))
                if way == DISCONNECT and policy != "cancel":
                    await self._leave(phase, begun, result)
                else:
                    for one in begun:
                        result.seconds.append(await self._end(phase, one, way))
        if result.seconds and percentile(result.seconds, 0.99) > P99_MAX_S:
            self.wrong.append(f"{phase}, {policy}, {way}: p99 above {P99_MAX_S} s")
        return result

    @contextlib.asynccontextmanager
    async def _busy(self, streams: int) -> AsyncIterator[None]:
        """All slots of the worker are taken."""
        holders = await asyncio.gather(*(self._begin(BEFORE, "cancel") for _ in range(streams)))
        yield
        for one in holders:
            await self._end(BEFORE, one, HERE)

    async def _begin(self, phase: str, policy: str) -> Begun:
        number = next(self._numbers)
        headers = {"x-penstock-on-disconnect": policy, "x-penstock-progress": "true"}
        body = completion(f"{phase} {number}", stream=True)
        connection = contextlib.AsyncExitStack()
        response = await connection.enter_async_context(self._here.stream("POST", PATH, json=body, headers=headers))
        if response.status_code != 200:
            raise RuntimeError(f"{response.status_code}: {(await response.aread()).decode()}")
        reader = StreamReader(response)
        if phase == QUEUED:
            while not (await reader.event()).startswith(": queued"):
                pass
        else:
            await self._provider.called(number)
        while phase in {STREAMING, AT_END} and "Hello" not in await reader.event():
            pass
        return Begun(response.headers["x-request-id"], number, reader, connection)

    async def _end(self, phase: str, one: Begun, way: str) -> float:
        """Seconds until the provider's call, or the place in the queue, has ended."""
        queued = await self._stack.queued() if phase == QUEUED else 0
        at = time.monotonic()
        ended = asyncio.ensure_future(self._ended(phase, one, queued))
        if way == DISCONNECT:
            await one.connection.aclose()
        else:
            await self._stop(one, self._here if way == HERE else self._other)
        ended_at = await ended
        self._outcomes["cancelled" if way == DISCONNECT else "stopped"] += 1
        return ended_at - at

    async def _stop(self, one: Begun, client: httpx.AsyncClient) -> None:
        response = await client.delete(f"/v1/streams/{one.id}")
        if response.status_code != 200:
            self.wrong.append(f"{one.id}: DELETE {response.status_code}")
        self._stopped.append(one.id)
        if not one.reader.response.is_closed and '"code":"stopped"' not in await one.reader.rest():
            self.wrong.append(f"{one.id}: its reader got no end")
        await one.connection.aclose()

    async def _ended(self, phase: str, one: Begun, queued: int) -> float:
        if phase != QUEUED:
            return await self._provider.calls[one.number].left(ENDED_WITHIN_S)
        async with asyncio.timeout(ENDED_WITHIN_S):
            while await self._stack.queued() >= queued:
                pass
        return time.monotonic()

    async def _leave(self, phase: str, begun: list[Begun], result: Result) -> None:
        """The clients leave, and nothing ends; then all are stopped."""
        queued = await self._stack.queued()
        for one in begun:
            await one.connection.aclose()
        await asyncio.sleep(GOES_ON_S)
        if phase == QUEUED:
            lost = queued - await self._stack.queued()
        else:
            lost = sum(self._provider.calls[one.number].peer_closed for one in begun)
        if lost:
            self.wrong.append(f"{phase}: {lost} of {len(begun)} calls ended although their policy lets them go on")
        result.went_on += len(begun) - lost
        for one in begun:
            await self._end(phase, one, ELSEWHERE)

    async def left(self) -> list[tuple[str, object, object]]:
        """Rows of (table, what is in it, what must be in it)."""
        streams = sum(self._outcomes.values())

        async def closed() -> bool:
            return sum([1 async for row in read_rows(self._stack.connection, since=0) if row.ended]) == streams

        with contextlib.suppress(TimeoutError):
            await until(closed, "all usage rows are closed", timeout_s=30)

        async def idle() -> bool:
            return not any(found != wanted for _, found, wanted in await self._tables())

        with contextlib.suppress(TimeoutError):
            await until(idle, "the tables are empty", timeout_s=10)
        rows = [row async for row in read_rows(self._stack.connection, since=0)]
        found = await asyncio.gather(*(self._found(id_) for id_ in self._stopped))
        slots = await asyncio.gather(*(self._begin(BEFORE, "cancel") for _ in range(SLOTS)))
        slots += await asyncio.gather(*(self._begin(QUEUED, "cancel") for _ in range(AT_ONCE)))
        again = await self._other.post(PATH, json=completion("one more", stream=True))
        await asyncio.gather(*(one.connection.aclose() for one in slots))
        # A disconnect ends these as the others: within 150 ms, by the probe for half-closed clients.
        with contextlib.suppress(TimeoutError):
            await until(idle, "the tables are empty", timeout_s=10)
        return [
            *await self._tables(),
            ("usage rows, by outcome", dict(Counter(row.ended for row in rows)), dict(self._outcomes)),
            ("stopped streams that can be read", sum(found), 0),
            ("streams that the key may open again, and then 429", (len(slots), again.status_code), (LIMIT, 429)),
        ]

    async def _found(self, id_: str) -> bool:
        return (await self._other.get(f"/v1/streams/{id_}")).status_code != 404

    async def _tables(self) -> list[tuple[str, object, object]]:
        fleet = (await self._stack.admin.get("/admin/fleet")).json()
        kept = await self._stack.connection.client.jetstream().stream_info(subjects.STREAMS)
        route = fleet["routes"][0]
        return [
            ("open streams of the gateways", [one["in_flight"] for one in fleet["gateways"]], [0, 0]),
            ("requests in the queue: waiting, delivered", (route["waiting"], route["delivered"]), (0, 0)),
            ("slots of the worker in use", route["in_flight"], 0),
            ("open calls at the provider", self._stack.main.open, 0),
            ("descriptors and frames of kept streams", kept.state.messages, 0),
        ]


async def run(streams: int) -> int:
    async with KeyedStack(slots=SLOTS, limits={"queueDepth": 256}) as stack:
        await stack.apply("main", replace(stack.spec(), streams=StreamsSpec(keep_seconds=600)))
        key = (await stack.create_key(limits={"concurrent_streams": LIMIT}))["key"]
        here = stack.with_key(key)
        other = stack.with_key(key, await stack.another_gateway())
        measurement = Measurement(stack, here, other)
        print(f"p50 / p99 in ms of {streams} streams each\n")
        print("| phase | policy | " + " | ".join(WAYS) + " |\n|---|---|" + "--:|" * len(WAYS))
        for phase in PHASES:
            for policy in POLICIES:
                cells = [(await measurement.cell(phase, policy, way, streams)).text() for way in WAYS]
                print(f"| {phase} | `{policy}` | " + " | ".join(cells) + " |", flush=True)
        print("\n| afterwards | is | must be |\n|---|---|---|")
        for table, found, wanted in await measurement.left():
            print(f"| {table} | {found} | {wanted} |")
            if found != wanted:
                measurement.wrong.append(table)
        for line in measurement.wrong:
            print(f"WRONG: {line}")
        return 1 if measurement.wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100, help="of each cell, rounded up to a multiple of 25")
    return asyncio.run(run(parser.parse_args().streams))


if __name__ == "__main__":
    sys.exit(main())
