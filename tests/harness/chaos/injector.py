"""Injects the plan's faults into the processes of a stack, one group of processes at a time, and heals each."""

import asyncio
import contextlib
import random
import signal
from collections import Counter

import httpx
from harness.chaos.plan import FAULTS, Group, Plan
from harness.processes import Process, free_port, until
from harness.stack import Stack

HEAL_S = 60.0
TERM_S = 30.0


class Injector:
    """`run` injects until it is cancelled, and leaves every process running and awake."""

    def __init__(self, stack: Stack, plan: Plan, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._plan = plan
        self._http = http
        self._ports: list[int] = [stack.gateway_port]
        self.gateways: list[Process] = [stack.gateway]
        self.counts: Counter[str] = Counter()

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    async def add_gateways(self) -> None:
        for _ in range(1, self._plan.gateways):
            self._ports.append(free_port())
            self.gateways.append(await self._start_gateway(len(self._ports) - 1))

    async def run(self, group: Group, until_: float) -> None:
        """Injects faults of one group until event-loop time `until_`; the last one is healed when this returns."""
        dice = random.Random(f"{self._plan.seed} {group}")
        loop = asyncio.get_running_loop()
        factor = 5 if group == "broker" else 1
        while True:
            wait_s = dice.uniform(*self._plan.between_s) * factor
            if loop.time() + wait_s >= until_:
                return
            await asyncio.sleep(wait_s)
            fault = dice.choice(FAULTS[group])
            self.counts[f"{fault} {group}"] += 1
            if fault == "pause":
                await self._pause(self._victim(group, dice), dice.uniform(*self._plan.pause_s))
            elif group == "broker":
                await self._restart_broker(dice.uniform(*self._plan.down_s))
            else:
                await self._replace(group, self._victim(group, dice), dice.uniform(*self._plan.down_s), fault == "term")

    def _victim(self, group: Group, dice: random.Random) -> Process:
        if group == "broker":
            return self._stack.nats.process
        return dice.choice(self.gateways if group == "gateway" else self._stack.workers)

    async def _pause(self, victim: Process, seconds: float) -> None:
        victim.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            victim.signal(signal.SIGCONT)

    async def _replace(self, group: Group, victim: Process, down_s: float, gracefully: bool) -> None:
        if gracefully:
            victim.terminate()
            with contextlib.suppress(TimeoutError):
                await victim.exited(TERM_S)
        if victim.alive:
            victim.kill()
        await asyncio.sleep(down_s)
        if group == "gateway":
            index = self.gateways.index(victim)
            self.gateways[index] = await self._start_gateway(index)
        else:
            self._stack.workers.remove(victim)
            await self._stack.start_worker()

    async def _restart_broker(self, down_s: float) -> None:
        self._stack.nats.kill()
        await asyncio.sleep(down_s)
        self._stack.nats.start()
        self._stack.processes.append(self._stack.nats.process)

    async def _start_gateway(self, index: int) -> Process:
        port = self._ports[index]
        env = {"PENSTOCK_NATS_URL": self._stack.nats.url, "PENSTOCK_PORT": str(port)}
        log = self._stack.directory / f"gateway-{index}.log"
        process = Process.python(f"gateway-{index}", "penstock_gateway", log, env)
        self._stack.processes.append(process)

        async def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                await self._http.get(f"http://127.0.0.1:{port}/health")
                return True
            return False

        # Not until it is ready: clients may reach a gateway that has no routes yet.
        await until(answers, "the gateway listens", timeout_s=HEAL_S)
        return process

    async def healed(self) -> None:
        """Waits until every gateway serves the route again."""

        async def serve() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return all([await self._serves(url) for url in self.urls])
            return False

        await until(serve, "every gateway serves the route", timeout_s=HEAL_S)

    async def _serves(self, url: str) -> bool:
        answer = await self._http.get(f"{url}/v1/models")
        return answer.status_code == 200 and any(model["id"] == "main" for model in answer.json()["data"])
