"""Injects the plan's faults into the processes of a stack, one group of processes at a time, and heals each."""

import asyncio
import contextlib
import random
import signal
import time
from dataclasses import dataclass

import httpx
from harness.chaos.plan import FAULTS, Fault, Group, Plan
from harness.processes import Process, free_port, until
from harness.stack import Stack

HEAL_S = 60.0
TERM_S = 30.0


@dataclass
class InjectedFault:
    """`victim` is the URL of a gateway, or the name of another process; times are those of `time.monotonic`."""

    fault: Fault
    group: Group
    victim: str
    at: float
    killed_at: float | None = None
    healed_at: float | None = None

    def text(self, since: float) -> str:
        """It with its times, in seconds after `since`."""
        times = (self.at, self.killed_at, self.healed_at)
        return f"{self.fault} {self.victim} {' '.join(f'{at - since:+.1f}' for at in times if at is not None)}"


class Injector:
    """`run` injects until it is cancelled, and leaves every process running and awake."""

    def __init__(self, stack: Stack, plan: Plan, http: httpx.AsyncClient) -> None:
        self._stack = stack
        self._plan = plan
        self._http = http
        self._ports: list[int] = [stack.gateway_port]
        self.gateways: list[Process] = [stack.gateway]
        self.injected: list[InjectedFault] = []

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
            victim = self._victim(group, dice)
            injected = InjectedFault(fault, group, self._name(victim), time.monotonic())
            self.injected.append(injected)
            if fault == "pause":
                await self._pause(victim, dice.uniform(*self._plan.pause_s))
            elif group == "broker":
                await self._restart_broker(dice.uniform(*self._plan.down_s), injected)
            else:
                await self._replace(group, victim, dice.uniform(*self._plan.down_s), injected)
            injected.healed_at = time.monotonic()

    def _victim(self, group: Group, dice: random.Random) -> Process:
        if group == "broker":
            return self._stack.nats.process
        return dice.choice(self.gateways if group == "gateway" else self._stack.workers)

    def _name(self, victim: Process) -> str:
        return self.urls[self.gateways.index(victim)] if victim in self.gateways else victim.name

    async def _pause(self, victim: Process, seconds: float) -> None:
        victim.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            victim.signal(signal.SIGCONT)

    async def _replace(self, group: Group, victim: Process, down_s: float, injected: "InjectedFault") -> None:
        if injected.fault == "term":
            victim.terminate()
            with contextlib.suppress(TimeoutError):
                await victim.exited(TERM_S)
        if victim.alive:
            injected.killed_at = time.monotonic()
            victim.kill()
        await asyncio.sleep(down_s)
        if group == "gateway":
            index = self.gateways.index(victim)
            self.gateways[index] = await self._start_gateway(index)
        else:
            self._stack.workers.remove(victim)
            await self._stack.start_worker()

    async def _restart_broker(self, down_s: float, injected: "InjectedFault") -> None:
        injected.killed_at = time.monotonic()
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
