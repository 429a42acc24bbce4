"""Broker, gateway, workers and a scripted provider as processes on loopback, for tests.

    async with Stack() as stack:                       # route "main", model "main", one worker with 64 slots
        stack.main.answers(text_stream("Hel", "lo"))           # its scripted provider, see `harness.provider`
        response = await stack.post("/api/chat", chat("hi"))

    async with Stack(workers=2, slots=4, limits={"queueDepth": 8}, gateway_env={"PENSTOCK_COMMIT_AFTER_S": "1"}) ...
    async with Stack(route=None) as stack:             # no route, no worker; then:
        await stack.apply("other", spec([provider("p", stack.provider.upstream("p").base_url)], models=["gpt"]))
        worker = await stack.start_worker("other")

    async with Stack(users=True) as stack:             # each process with its own credentials: `harness.nats_users`

Parts: `stack.nats` (start, stop, restart), `stack.gateway`, `stack.workers` (each a `Process`), `stack.provider` (a
`ScriptedProvider`), `stack.main` (the upstream of route "main"), `stack.client` (an httpx.AsyncClient on the gateway),
`stack.connection` and `stack.control_plane` (the operator's side of the broker, see `harness.stack_routes`).

- The start waits for `/ready`, for the route in `/v1/models` and for the workers' log; it takes about a second.
- Logs of every process are files in `stack.directory`; `conftest.py` prints them when a test fails.
- One stack per module: `tests/integration/conftest.py`, fixture `stack` (shared, reset before every test). A test that
  kills processes starts its own.
"""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx
from harness.gateway_probe import is_ready, lists
from harness.nats_server import NatsServer
from harness.nats_users import NatsUsers
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until
from harness.provider import ScriptedProvider, Upstream
from harness.route_spec import KEY, KEY_VARIABLE, provider, spec
from harness.stack_routes import NAMESPACE, StackRoutes
from harness.stream_reader import StreamReader

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.route.spec import ModelRouteSpec


class Stack:
    live: ClassVar[list["Stack"]] = []
    """Running stacks, for the report of a failed test."""

    def __init__(
        self,
        *,
        route: str | None = "main",
        workers: int = 1,
        slots: int = 64,
        limits: Mapping[str, Any] | None = None,
        routing: Mapping[str, Any] | None = None,
        models: Sequence[str | Mapping[str, Any]] = ("main",),
        gateway_env: Mapping[str, str] | None = None,
        worker_env: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        users: bool = False,
    ) -> None:
        self._route = route
        self._worker_count = workers
        self._defaults: dict[str, Any] = {"slots": slots, "limits": limits, "routing": routing, "models": models}
        self._gateway_env = gateway_env or {}
        self._worker_env = worker_env or {}
        self._headers = headers or {}
        self._with_users = users
        self._cleanup = contextlib.AsyncExitStack()
        self._spawned = 0
        self._reconfigured = False
        self.processes: list[Process] = []
        self.workers: list[Process] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            print(self.logs())  # noqa: T201 - pytest shows it with the failure
            await self._cleanup.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        await self._cleanup.aclose()

    @property
    def main(self) -> Upstream:
        return self.provider.upstream("main")

    @property
    def worker(self) -> Process:
        return self.workers[0]

    @property
    def gateway_user(self) -> Mapping[str, str]:
        """The setting with a gateway's NATS credentials; empty without users."""
        return {} if self.users is None else {"PENSTOCK_NATS_CREDENTIALS": self.users.gateway}

    async def post(self, path: str, body: Any, **kwargs: Any) -> httpx.Response:
        """Send `body` as JSON; returns the complete response."""
        return await self.client.post(path, json=body, **kwargs)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, body: Any) -> AsyncIterator["StreamReader"]:
        """An open response, to read piece by piece; leaving the block closes the connection."""
        async with self.client.stream("POST", path, json=body) as response:
            yield StreamReader(response)

    async def apply(
        self, route: str, spec_: ModelRouteSpec, *, ready: bool = True, reason: str = "", cause: str = ""
    ) -> None:
        """Publish the route; returns when the gateway and the route's workers have the change."""
        workers = [worker for worker in self.workers if worker.alive and worker.name.startswith(f"worker-{route}-")]
        changes = [len(worker.events("worker.route_changed")) for worker in workers]
        entry = await self._routes.apply(route, spec_, ready=ready, reason=reason, cause=cause)
        if hasattr(self, "gateway") and ready:
            await until(lambda: self._lists(entry), "the gateway lists the route")
        for worker, before in zip(workers, changes, strict=True):
            await until(
                lambda worker=worker, before=before: len(worker.events("worker.route_changed")) > before,
                f"{worker.name} has the route",
            )

    async def remove(self, route: str) -> None:
        """Delete the route and end its workers, as the operator does."""
        entry = await self._routes.remove(route)

        async def removed() -> bool:
            return not await self._lists(entry)

        await until(removed, "the gateway lists the route no more")
        for worker in [worker for worker in self.workers if worker.name.startswith(f"worker-{route}-")]:
            await worker.end()
            self.workers.remove(worker)
            self.processes.remove(worker)

    def spec(self, route: str = "main") -> ModelRouteSpec:
        """The route's spec as last published."""
        return self._routes.applied[route].spec

    async def reconfigure(self, *, providers: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> None:
        """Change route "main": its default except for these fields (`limits`, `routing`, `slots`, `models`)."""
        self._reconfigured = True
        await self.apply("main", self._spec(providers=providers, **fields))

    async def reset(self) -> None:
        """Between tests: restart exited processes, apply the default route, clear the provider, begin new log pages."""
        await self._heal()
        if self._reconfigured:
            await self.apply("main", self._spec())
            self._reconfigured = False
        self.provider.reset()
        for process in self.processes:
            process.mark()

    async def _heal(self) -> None:
        for process in [process for process in self.processes if not process.alive]:
            self.processes.remove(process)
        if not self.nats.process.alive:
            await self.restart_nats()
        if not self.gateway.alive:
            await self.start_gateway()
        self.workers = [worker for worker in self.workers if worker.alive]
        while self._route is not None and len(self.workers) < self._worker_count:
            await self.start_worker(self._route)
        while len(self.workers) > self._worker_count:
            surplus = self.workers.pop()
            self.processes.remove(surplus)
            await surplus.end()

    async def start_worker(self, route: str = "main", **env: str) -> Process:
        worker = self.spawn_worker(route, env)
        await worker.logged("worker.route_changed", present=True)
        return worker

    async def start_gateway(self, **env: str) -> Process:
        """Start the gateway (again), on the same port."""
        self._spawn_gateway(env)
        await self._gateway_ready()
        return self.gateway

    async def restart_nats(self) -> None:
        """Start the broker again; returns when it has the routes and the gateway is ready."""
        before = self._routes.times_applied
        self.nats.start()
        self.processes.append(self.nats.process)
        await until(lambda: self._routes.times_applied > before, "the routes are applied again")
        await self.serving()

    async def serving(self) -> None:
        """Wait until the gateway's GET /ready reports no problem."""
        await until(lambda: is_ready(self.gateway, self.client), "the gateway is ready")

    async def queued(self, route: str = "main") -> int:
        """Requests in the route's queue, including those delivered and not acked."""
        return int((await self._routes.queue(route)).messages)

    async def taken(self, route: str = "main") -> int:
        """Requests that the route's queue has ever stored."""
        return int((await self._routes.queue(route)).last_seq)

    def logs(self) -> str:
        """The output of the processes since the last reset."""
        pages = [(process, process.log()) for process in self.processes]
        return "\n".join(f"--- {process.name} ({process.log_path})\n{page}" for process, page in pages if page)

    async def _start(self) -> None:
        # The cleanup runs backwards: provider and processes first, the directory last.
        self.directory = Path(tempfile.mkdtemp(prefix="penstock-test-"))
        self._cleanup.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self._cleanup.callback(Stack.live.remove, self)
        Stack.live.append(self)
        self._cleanup.push_async_callback(self._end_processes)
        self.users = NatsUsers(self.directory) if self._with_users else None
        self.nats = NatsServer(self.directory, self.users)
        self.processes.append(self.nats.process)
        # The processes import for longer than the broker needs to be ready: all start together.
        self.gateway_port = free_port()
        self.url = f"http://127.0.0.1:{self.gateway_port}"
        self._spawn_gateway({})
        if self._route is not None:
            for _ in range(self._worker_count):
                self.spawn_worker(self._route, {})
        self.provider = await ScriptedProvider.start()
        self._cleanup.push_async_callback(self.provider.close)
        self.client = plain_client(self.url, timeout=30, headers=self._headers)
        self._cleanup.push_async_callback(self.client.aclose)
        self._routes = StackRoutes(self.nats.url, None if self.users is None else self.users.operator)
        self.connection, self.control_plane = self._routes.connection, self._routes.control_plane
        self.heartbeats = self._routes.heartbeats
        self._cleanup.push_async_callback(self.connection.close)
        await self._routes.start({} if self._route is None else {self._route: self._spec()})
        await self._gateway_ready()
        for worker in self.workers:
            await worker.logged("worker.route_changed", present=True)

    def _spec(self, *, providers: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> ModelRouteSpec:
        return spec(providers or [provider("main", self.main.base_url)], **{**self._defaults, **fields})

    def _spawn_gateway(self, env: Mapping[str, str]) -> None:
        merged = {
            "PENSTOCK_NATS_URL": self.nats.url,
            "PENSTOCK_PORT": str(self.gateway_port),
            **self.gateway_user,
            **self._gateway_env,
            **env,
        }
        self.gateway = Process.python("gateway", "penstock_gateway", self.directory / "gateway.log", merged)
        self.processes.append(self.gateway)

    def spawn_worker(self, route: str, env: Mapping[str, str]) -> Process:
        self._spawned += 1
        name = f"worker-{route}-{self._spawned}"
        worker = Process.python(
            name,
            "penstock_worker",
            self.directory / f"{name}.log",
            {
                "PENSTOCK_NATS_URL": self.nats.url,
                "PENSTOCK_NAMESPACE": NAMESPACE,
                "PENSTOCK_ROUTE": route,
                KEY_VARIABLE: KEY,
                **({} if self.users is None else {"PENSTOCK_NATS_CREDENTIALS": self.users.worker(NAMESPACE, route)}),
                "PENSTOCK_ALLOWED_ADDRESSES": "127.0.0.0/8,::1/128",
                **self._worker_env,
                **env,
            },
        )
        self.workers.append(worker)
        self.processes.append(worker)
        return worker

    async def _gateway_ready(self) -> None:
        await self.serving()
        for entry in self._routes.applied.values():
            if entry.ready:
                await until(lambda entry=entry: self._lists(entry), "the gateway lists its routes")

    async def _lists(self, entry: CatalogueEntry) -> bool:
        return await lists(self.client, entry.spec.models[-1].name)

    async def _end_processes(self) -> None:
        for process in reversed(self.processes):
            await process.end()
