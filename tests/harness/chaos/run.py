"""A chaos run: clients send requests through two gateways while the injector kills, pauses and restarts processes.

Its independent sources of evidence: the bytes that clients read, the provider's own log, the requests that were
published on the broker, and the usage records.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from harness.chaos.client import ChaosClient, Outcome
from harness.chaos.injector import Injector
from harness.chaos.plan import FAULTS, Plan
from harness.chaos.provider import ChaosProvider, number_in
from harness.chaos.report import Published, Report
from harness.plain_client import plain_client
from harness.processes import until
from harness.stack import Stack

from penstock_broker.stores.usage import read_rows
from penstock_contract import codec

SETTLE_S = 120.0
REOPENED_S = 6.0
"""A session that still confirms its request writes its row every 2.5 s."""
AFTERWARDS = 60
REFUSED_PAUSE_S = 0.05


class _Run:
    def __init__(self, stack: Stack, plan: Plan, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._plan = plan
        self._http = http
        self._injector = Injector(stack, plan, http)
        self._provider = ChaosProvider(plan)
        self._number = 0
        self.report = Report(plan, injected=self._injector.injected)

    async def whole(self) -> Report:
        loop = asyncio.get_running_loop()
        self._stack.main.answers(self._provider.answer)
        await self._stack.connection.client.subscribe("penstock.requests.>", cb=self._on_request)
        await self._injector.add_gateways()
        await self._injector.healed()
        started = time.monotonic()
        end = loop.time() + self._plan.seconds
        async with asyncio.TaskGroup() as group:
            for kind in FAULTS:
                group.create_task(self._injector.run(kind, end))
            for index in range(self._plan.clients):
                group.create_task(self._client(index, end))
        await self._injector.healed()
        await self._settled()
        await self._send_afterwards()
        await self._settled()
        await asyncio.sleep(REOPENED_S)
        self.report.rows_later = [row async for row in read_rows(self._stack.connection, since=0.0)]
        self.report.called_again = self._provider.again_after_first_byte
        self.report.seconds = time.monotonic() - started
        self._read_logs()
        return self.report

    async def _on_request(self, message: Any) -> None:
        published = Published(number_in(message.data), time.monotonic())
        self.report.published[codec.decode_request(message.data).id] = published

    async def _client(self, index: int, end: float) -> None:
        dice = random.Random(f"{self._plan.seed} client {index}")
        client = ChaosClient(self._http, dice, self._plan.hang_s)
        loop = asyncio.get_running_loop()
        while loop.time() < end:
            outcome = await self._request(client, dice, hang_up=dice.random() < self._plan.hang_up)
            self.report.outcomes.append(outcome)
            if outcome.end == "refused":
                await asyncio.sleep(REFUSED_PAUSE_S)

    async def _request(self, client: ChaosClient, dice: random.Random, *, hang_up: bool) -> Outcome:
        self._number += 1
        number = self._number
        return await client.request(
            dice.choice(self._injector.urls), number, dice.randint(*self._plan.tokens), hang_up=hang_up
        )

    async def _settled(self) -> None:
        """Waits for closed rows and idle processes; what is not there in time is in the report."""

        async def closed() -> bool:
            self.report.written = self._provider.written
            self.report.rows = [row async for row in read_rows(self._stack.connection, since=0.0)]
            return not (self.report.open or self.report.missing)

        async def idle() -> bool:
            self.report.left_behind = await self._busy()
            return not self.report.left_behind

        for holds in (idle, closed):
            try:
                await until(holds, "rows are closed and processes idle", timeout_s=SETTLE_S)
            except TimeoutError:
                continue

    async def _busy(self) -> list[str]:
        busy = [
            f"{beat.worker} has {beat.in_flight} in flight"
            for beat in self._stack.heartbeats.values()
            if beat.in_flight and any(beat.worker in worker.log() for worker in self._stack.workers)
        ]
        if queued := await self._stack.queued():
            busy.append(f"{queued} messages in the queue")
        if open_ := self._stack.main.open:
            busy.append(f"{open_} provider calls open")
        for url in self._injector.urls:
            metrics = (await self._http.get(f"{url}/metrics")).text
            gauges = re.findall(r"^penstock_streams_in_flight\S* (\S+)$", metrics, re.MULTILINE)
            if any(float(gauge) for gauge in gauges):
                busy.append(f"{url}: streams in flight {gauges}")
        return busy

    async def _send_afterwards(self) -> None:
        dice = random.Random(f"{self._plan.seed} afterwards")
        client = ChaosClient(self._http, dice, self._plan.hang_s)
        for _ in range(AFTERWARDS // self._plan.clients or 1):
            requested = [self._request(client, dice, hang_up=False) for _ in range(min(self._plan.clients, AFTERWARDS))]
            for outcome in await asyncio.gather(*requested):
                cut_on_purpose = outcome.code == "provider_stream_broken" or outcome.end == "cut"
                self.report.afterwards["complete" if cut_on_purpose else outcome.end] += 1

    def _read_logs(self) -> None:
        for process in {process.log_path: process for process in self._stack.processes}.values():
            text = process.log_path.read_text(errors="replace")
            self.report.error_lines += text.count('"level": "error"') + text.count('"level":"error"')
            self.report.tracebacks += text.count("Traceback (most recent call last)")


async def run(plan: Plan, keep: Callable[[Path], None] = lambda _: None) -> Report:
    """Everything from the start of the processes to the last row; `keep` gets the logs' directory before it goes."""
    limits = {"queueTimeoutSeconds": 20, "idleTimeoutSeconds": 15, "requestTimeoutSeconds": 60}
    async with (
        Stack(workers=plan.workers, slots=plan.clients, limits=limits) as stack,
        plain_client(timeout=None, limits=httpx.Limits(max_connections=None)) as http,
    ):
        try:
            return await _Run(stack, plan, http).whole()
        finally:
            keep(stack.directory)
