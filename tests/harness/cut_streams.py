"""Streams of each dialect, cut at random bytes and read on at another gateway; with kills of the gateways in between.

Three sources of evidence: the bytes that the clients have put together, the provider's log of its calls, and the usage
records. `run` returns the comparison; `Report.table` is its Markdown table.
"""

import asyncio
import contextlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from harness.cut_reader import CutReader
from harness.gateway import Gateway
from harness.gateway_probe import is_ready
from harness.processes import until
from harness.provider_answers import chunk, finish, usage
from harness.provider_call import Call
from harness.stack import Stack
from harness.stream_requests import REQUESTS, StreamRequest
from msgspec.structs import replace

from penstock_broker.stores.usage import read_rows
from penstock_contract.route.streams import StreamsSpec

AT_ONCE = 40
GATEWAYS = 3
CUTS_MAX = 5
PACE_S = 0.01
CLOSED_S = 90.0
HEADERS = {"x-penstock-on-disconnect": "grace=30"}
WORDS = [f"word-{number} " for number in range(60)]
PROMPT = re.compile(rb"number (\d+)")
VARYING = re.compile(rb'[0-9a-f]{24}|"created(?:_at)?":[0-9.]+')
"""The ids of a stream, and the second of its beginning."""


@dataclass(frozen=True)
class Plan:
    """A kill for every `between_kills` streams that begin; None for no kills."""

    streams: int
    seed: int
    between_kills: tuple[int, int] | None = None


@dataclass
class Report:
    plan: Plan
    readers: list[CutReader] = field(default_factory=list)
    kills: int = 0
    calls: Counter[int] = field(default_factory=Counter)
    """Of the provider, by the number in the prompt."""
    outcomes: dict[str, list[str | None]] = field(default_factory=dict)
    """Of the usage records, by stream."""
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not self.wrong

    def table(self) -> str:
        readers = self.readers
        once = sum(self.calls[reader.number] == 1 for reader in readers)
        rows = sum(self.outcomes.get(reader.id) == ["stop"] for reader in readers)
        lines = {
            "streams, of 7 kinds of requests": len(readers),
            "cuts at a random byte": sum(reader.cut for reader in readers),
            "read on at another gateway": sum(reader.again for reader in readers),
            "gateways killed and started again": self.kills,
            "requests repeated, as their gateway was killed before it sent an id": sum(one.lost for one in readers),
            "byte-identical": sum(reader.identical for reader in readers),
            "called once at the provider": once,
            "one usage record, closed with `stop`": rows,
            "seconds": round(self.seconds),
        }
        return "\n".join(["| | |", "|---|--:|", *(f"| {name} | {value:,} |" for name, value in lines.items())])


def numbered(request: StreamRequest, number: int) -> StreamRequest:
    """The request with a number in its prompt, always as long, and in its chat."""
    text = json.dumps(request.body).replace('"hi"', f'"number {number:06}"').replace('"chat-1"', f'"chat-{number}"')
    return replace(request, body=json.loads(text))


class CutStreams:
    def __init__(self, plan: Plan, stack: Stack, gateways: list[Gateway]) -> None:
        self._plan = plan
        self._stack = stack
        self._gateways = gateways
        self._clients = [gateway.client for gateway in gateways]
        self._dice = random.Random(plan.seed)
        self._begun = 0
        self._kill_at = 0
        self._killing: list[asyncio.Task[None]] = []
        self._numbers = iter(range(10**9))
        self.report = Report(plan)
        stack.main.answers(self._answer)

    async def run(self) -> Report:
        began = time.monotonic()
        undisturbed = [await self._undisturbed(request) for request in REQUESTS.values()]
        free = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, reader: CutReader) -> None:
            async with free:
                self._begin()
                await reader.run(list(REQUESTS.values())[number % len(REQUESTS)], HEADERS)

        for _ in range(self._plan.streams):
            cuts, dice = 1 + self._dice.randrange(CUTS_MAX), random.Random(self._dice.random())
            self.report.readers.append(CutReader(self._clients, cuts, dice, self._numbered))
        await asyncio.gather(*(one(number, reader) for number, reader in enumerate(self.report.readers)))
        await asyncio.gather(*self._killing)
        for number, reader in enumerate(self.report.readers):
            await self._compare(reader, undisturbed[number % len(REQUESTS)])
        await self._read_rows()
        self._verify()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _numbered(self, request: StreamRequest) -> tuple[int, StreamRequest]:
        number = next(self._numbers)
        return number, numbered(request, number)

    async def _answer(self, call: Call) -> None:
        """`WORDS`, at the pace of a fast model."""
        found = PROMPT.search(call.raw_body)
        assert found is not None
        self.report.calls[int(found[1])] += 1
        await call.head()
        for word in WORDS:
            await call.write(chunk(word))
            await asyncio.sleep(PACE_S)
        await call.write(finish() + usage())
        await call.end()

    async def _undisturbed(self, request: StreamRequest) -> bytes:
        _, sent = self._numbered(request)
        response = await self._clients[0].post(sent.path, json=sent.body, headers=HEADERS)
        assert response.status_code == 200, response.text
        return b"".join(part + b"\n\n" for part in response.content.split(b"\n\n")[:-1] if not part.startswith(b":"))

    def _begin(self) -> None:
        """Kill a gateway when enough streams have begun since the last kill, but never two at once."""
        self._begun += 1
        if self._plan.between_kills is None:
            return
        if self._begun >= self._kill_at and (not self._killing or self._killing[-1].done()):
            self._kill_at = self._begun + self._dice.randint(*self._plan.between_kills)
            self._killing.append(asyncio.create_task(self._kill(self._dice.choice(self._gateways))))

    async def _kill(self, gateway: Gateway) -> None:
        gateway.process.kill()
        self._clients.remove(gateway.client)
        self.report.kills += 1
        await gateway.process.exited()
        gateway.restart()
        await until(lambda: is_ready(gateway.process, gateway.client), "the gateway is ready again")
        await gateway.has_model("main")
        self._clients.append(gateway.client)

    async def _compare(self, reader: CutReader, undisturbed: bytes) -> None:
        again = await self._dice.choice(self._clients).get(f"/v1/streams/{reader.id}")
        reader.identical = reader.read == again.content and masked(reader.read) == masked(undisturbed)

    async def _read_rows(self) -> None:
        ids = {reader.id for reader in self.report.readers}

        async def closed() -> bool:
            outcomes: dict[str, list[str | None]] = {}
            async for row in read_rows(self._stack.connection, since=0):
                outcomes.setdefault(row.id, []).append(row.ended)
            self.report.outcomes = outcomes
            return all(outcomes.get(id_, [None])[-1] for id_ in ids)

        with contextlib.suppress(TimeoutError):
            await until(closed, "the usage records are closed", timeout_s=CLOSED_S)

    def _verify(self) -> None:
        report = self.report
        if len({reader.id for reader in report.readers}) != self._plan.streams:
            report.wrong.append("two streams have one id")
        for reader in report.readers:
            if not reader.identical:
                report.wrong.append(f"{reader.request.path} {reader.id}: its bytes differ")
            if report.calls[reader.number] != 1:
                report.wrong.append(f"{reader.request.path} {reader.id}: {report.calls[reader.number]} calls")
            if report.outcomes.get(reader.id) != ["stop"]:
                report.wrong.append(f"{reader.request.path} {reader.id}: rows {report.outcomes.get(reader.id)}")


def masked(body: bytes) -> bytes:
    """Without what differs between two streams of one request."""
    return VARYING.sub(b"", body)


@contextlib.asynccontextmanager
async def opened(plan: Plan) -> AsyncIterator[CutStreams]:
    """A stack with `GATEWAYS` gateways, of which each may be killed."""
    async with Stack(slots=AT_ONCE) as stack, contextlib.AsyncExitStack() as entered:
        await stack.apply("main", replace(stack.spec(), streams=StreamsSpec(keep_seconds=3600)))
        gateways = []
        for number in range(GATEWAYS):
            directory = stack.directory / f"gateway-{number}"
            directory.mkdir()
            gateways.append(await entered.enter_async_context(Gateway.running(stack.nats.url, directory)))
        for gateway in gateways:
            await gateway.has_model("main")
        yield CutStreams(plan, stack, gateways)


async def run(plan: Plan) -> Report:
    async with opened(plan) as streams:
        return await streams.run()
