"""Requests while gateways and workers are killed at random, and their usage records afterwards.

Three independent sources of evidence: the provider's log of its answers, the requests as they were published on the
broker, and the usage records. `run` returns the comparison; `Report.table` is its Markdown table.

`stall` is the death that was none: a worker stands still before its requests' first events, others serve them, and it
comes back to what it holds to be its own.
"""

import asyncio
import contextlib
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until
from harness.provider_answers import DONE, chunk, finish, usage
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stack import Stack

from penstock_broker.stores.usage import read_rows
from penstock_contract import codec
from penstock_contract.request.operations import ChatOperation
from penstock_contract.usage.record import UsageRow

PACE_S = 0.03
CLOSED_S = 90.0


@dataclass(frozen=True)
class Plan:
    seed: int
    requests: int
    clients: int = 32
    gateways: int = 2
    workers: int = 3
    tokens: tuple[int, int] = (10, 50)
    between_kills: tuple[int, int] = (6, 25)
    """Requests from one kill to the next of the same kind, about half a second to two. Not seconds: on a busy box a
    request takes several times as long, and would be killed several times as often."""
    down_s: tuple[float, float] = (0.2, 1.0)


@dataclass
class Report:
    plan: Plan
    requests: dict[str, int] = field(default_factory=dict)
    """The number in the prompt of each request that was published, by its id."""
    sent: Counter[int] = field(default_factory=Counter)
    """Tokens that the provider wrote, by the number in the prompt."""
    calls: Counter[int] = field(default_factory=Counter)
    rows: list[UsageRow] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def ids(self) -> Counter[str]:
        return Counter(row.id for row in self.rows)

    @property
    def sent_tokens(self) -> int:
        return sum(self.sent[number] for number in self.requests.values())

    @property
    def row_tokens(self) -> int:
        return sum(row.tokens.output for row in self.rows)

    @property
    def difference(self) -> float:
        """Of all tokens."""
        return abs(self.row_tokens - self.sent_tokens) / self.sent_tokens

    @property
    def good(self) -> bool:
        once = all(count == 1 for count in self.ids.values())
        closed = all(row.ended is not None for row in self.rows)
        return once and closed and self.ids.keys() == self.requests.keys() and self.difference <= 0.01

    def table(self) -> str:
        ended = Counter(str(row.ended) for row in self.rows)
        off = [
            abs(row.tokens.output - self.sent[self.requests[row.id]]) for row in self.rows if row.id in self.requests
        ]
        facts: list[tuple[str, object]] = [
            ("seed", self.plan.seed),
            ("seconds", f"{self.seconds:.0f}"),
            ("kills", ", ".join(f"{count} {kind}" for kind, count in sorted(self.kills.items()))),
            ("requests published", len(self.requests)),
            ("of these called again, as their worker died", sum(self.calls[n] > 1 for n in self.requests.values())),
            ("usage rows", len(self.rows)),
            ("requests without a row", len(self.requests.keys() - self.ids.keys())),
            ("rows without a request", len(self.ids.keys() - self.requests.keys())),
            ("requests with two rows", sum(count > 1 for count in self.ids.values())),
            ("rows left open", ended["None"]),
            *((f"ended: {how}", count) for how, count in ended.most_common() if how != "None"),
            ("rows with our own count", sum(row.tokens.estimated for row in self.rows)),
            ("output tokens, provider's log", self.sent_tokens),
            ("output tokens, rows", self.row_tokens),
            ("difference", f"{100 * self.difference:.2f} %"),
            ("rows that are off by more than one token", sum(one > 1 for one in off)),
        ]
        width = max(len(name) for name, _ in facts)
        return "\n".join(f"{name:{width}}  {value}" for name, value in facts)


class _Run:
    def __init__(self, stack: Stack, plan: Plan) -> None:
        self.stack = stack
        self.plan = plan
        self.report = Report(plan)
        self.random = random.Random(plan.seed)
        self.urls: list[str] = [stack.url]
        self.gateways: list[Process] = [stack.gateway]
        self.numbers = 0
        self.active: set[int] = set()
        self.published_numbers: set[int] = set()

    # Sources of evidence

    async def answer(self, call: Call) -> None:
        """As many tokens as the prompt requests, at a pace; the log has every token that was sent.

        A write to a connection whose other end is closed is not sent. This loop also runs the clients and the kills:
        on a busy machine it receives that end late, which a separate provider process would not.
        """
        number, tokens = map(int, re.findall(r"\d+", call.body["messages"][0]["content"]))
        self.report.calls[number] += 1
        await call.head()
        for index in range(tokens):
            await asyncio.sleep(PACE_S)
            if call.peer_closed:
                return
            await call.write(chunk(f"w{index % 1000} "))
            self.report.sent[number] += 1
        await call.write(finish() + usage(5, tokens) + DONE)
        await call.end()

    async def published(self, message: Any) -> None:
        request = codec.decode_request(message.data)
        assert isinstance(request.operation, ChatOperation)
        text = json.loads(request.operation.body)["messages"][0]["content"]
        number = int(re.findall(r"\d+", text)[0])
        self.report.requests[request.id] = number
        self.published_numbers.add(number)

    # Clients and killer

    async def client(self) -> None:
        published = self.published_numbers
        while len(published) < self.plan.requests:
            if len(published | self.active) >= self.plan.requests:
                # Enough are under way, unless one of them ends before it is published.
                await asyncio.sleep(PACE_S)
                continue
            self.numbers += 1
            number, tokens = self.numbers, self.random.randint(*self.plan.tokens)
            url = self.random.choice(self.urls)
            self.active.add(number)
            with contextlib.suppress(httpx.TransportError):
                await self.http.post(
                    f"{url}/v1/chat/completions", json=completion(f"number {number}: {tokens} tokens", stream=True)
                )
            if number not in published:
                await asyncio.sleep(PACE_S)  # a gateway that is away refuses at once
            self.active.remove(number)

    async def killer(self, kind: str) -> None:
        """Kill one, start it again, and so on; gateways and workers at the same time, each by its own dice."""
        dice = random.Random(f"{self.plan.seed} {kind}")
        while True:
            enough = len(self.published_numbers) + dice.randint(*self.plan.between_kills)
            await until(
                lambda enough=enough: len(self.published_numbers) >= enough, "more requests", timeout_s=CLOSED_S
            )
            group = self.gateways if kind == "gateway" else self.stack.workers
            index = dice.randrange(len(group))
            victim = group[index]
            victim.kill()
            self.report.kills[kind] += 1
            await asyncio.sleep(dice.uniform(*self.plan.down_s))
            if kind == "gateway":
                self.gateways[index] = await self.start_gateway(index)
            else:
                self.stack.workers.remove(victim)
                await self.stack.start_worker()

    async def start_gateway(self, index: int) -> Process:
        port = self.urls[index].rpartition(":")[2]
        env = {"PENSTOCK_NATS_URL": self.stack.nats.url, "PENSTOCK_PORT": port}
        process = Process.python(
            f"gateway-{index}", "penstock_gateway", self.stack.directory / f"gateway-{index}.log", env
        )
        self.stack.processes.append(process)

        async def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.http.get(f"{self.urls[index]}/v1/models")
                return answer.status_code == 200 and bool(answer.json()["data"])
            return False

        await until(ready, "the gateway is ready", timeout_s=60)
        return process

    async def whole(self) -> Report:
        self.stack.main.answers(self.answer)
        await self.stack.connection.client.subscribe("penstock.requests.>", cb=self.published)
        started = time.monotonic()
        async with plain_client(timeout=120, limits=httpx.Limits(max_connections=None)) as http:
            self.http = http
            for index in range(1, self.plan.gateways):
                self.urls.append(f"http://127.0.0.1:{free_port()}")
                self.gateways.append(await self.start_gateway(index))
            killing = [asyncio.create_task(self.killer(kind)) for kind in ("gateway", "worker")]
            clients = [asyncio.create_task(self.client()) for _ in range(self.plan.clients)]
            try:
                await asyncio.gather(*clients)
            finally:
                for task in (*killing, *clients):
                    task.cancel()
                await asyncio.wait([*killing, *clients])
            await until(self.closed, "every row is closed", timeout_s=CLOSED_S)
        self.report.seconds = time.monotonic() - started
        return self.report

    async def closed(self) -> bool:
        self.report.rows = [row async for row in read_rows(self.stack.connection, since=0.0)]
        there = self.report.requests.keys() <= self.report.ids.keys()
        return there and all(row.ended is not None for row in self.report.rows)


async def run(plan: Plan) -> Report:
    """Everything from the start of the processes to the last row; a row that never comes raises `TimeoutError`."""
    async with Stack(workers=plan.workers, slots=plan.clients) as stack:
        made = _Run(stack, plan)
        try:
            return await made.whole()
        except TimeoutError as error:
            error.add_note(made.report.table())
            raise
