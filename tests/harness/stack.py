"""The whole road as real processes on loopback, for tests.

    async with Stack() as stack:                       # route "main", model "main", one worker with 64 slots
        stack.main.answers(say("Hel", "lo"))           # its scripted provider, see `harness.provider`
        response = await stack.post("/api/chat", chat("hi"))

    async with Stack(workers=2, slots=4, limits={"queueDepth": 8}, gateway_env={"PENSTOCK_COMMIT_AFTER_S": "1"}) ...
    async with Stack(route=None) as stack:             # no route, no worker; then:
        await stack.apply("other", spec([provider("p", stack.provider.upstream("p").base_url)], models=["gpt"]))
        worker = await stack.start_worker("other")

    async with Stack(users=True) as stack:             # everybody with credentials of its own: `harness.nats_users`

Parts: `stack.nats` (start, stop, restart), `stack.gateway`, `stack.workers` (each a `Process`: kill, terminate,
signal, exited, log, said), `stack.provider` (a `ScriptedProvider`), `stack.main` (the upstream of route "main"),
`stack.client` (an httpx.AsyncClient on the gateway), `stack.connection` and `stack.control_plane` (the broker as the
operator sees it).

- `await stack.apply(route, spec)` plays the operator: it returns when the gateways and the route's workers have the
  change. Applied routes are applied again whenever the broker comes back, as it forgets them.
- `await stack.reconfigure(limits=…, routing=…, slots=…, providers=…)` changes route "main" from its default.
- `await stack.reset()` between tests of one module: default route, provider's memory cleared, logs on a new page.
- Starting waits for `/ready`, for the route in `/v1/models` and for the workers' own log; it takes about a second.
- Logs of every process are files in `stack.directory`; `conftest.py` prints them when a test fails.
- One stack per module: see `tests/integration/conftest.py`, fixture `stack` (shared, reset before every test); a test
  that kills things starts its own.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx
import msgspec
from harness.nats_server import NatsServer
from harness.nats_users import NatsUsers
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until
from harness.provider import ScriptedProvider, Upstream
from harness.route_spec import KEY, KEY_VARIABLE, provider, spec
from harness.stream_reader import StreamReader
from nats.js.api import StreamState

from penstock_broker.connection import Connection
from penstock_broker.control_plane import ControlPlane
from penstock_contract import codec, subjects
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.errors import PenstockError
from penstock_contract.route.spec import ModelRouteSpec
from penstock_contract.stream.frames import WorkerHeartbeat

NAMESPACE = "default"


class Stack:
    live: ClassVar[list["Stack"]] = []
    """Stacks that run now, for the report of a failed test."""

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
        self._applied: dict[str, CatalogueEntry] = {}
        self._version = self._spawned = self._times_applied = 0
        self._reconfigured = False
        self.processes: list[Process] = []
        self.workers: list[Process] = []
        self.heartbeats: dict[str, WorkerHeartbeat] = {}

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

    # What tests use

    @property
    def main(self) -> Upstream:
        return self.provider.upstream("main")

    @property
    def worker(self) -> Process:
        return self.workers[0]

    @property
    def gateway_user(self) -> Mapping[str, str]:
        """Who a gateway is on the broker, for its environment."""
        return {} if self.users is None else {"PENSTOCK_NATS_CREDENTIALS": self.users.gateway}

    async def post(self, path: str, body: Any, **kwargs: Any) -> httpx.Response:
        """The whole answer. `body` is sent as JSON."""
        return await self.client.post(path, json=body, **kwargs)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, body: Any) -> AsyncIterator["StreamReader"]:
        """An open answer, to read piece by piece; leaving the block hangs up."""
        async with self.client.stream("POST", path, json=body) as response:
            yield StreamReader(response)

    async def apply(
        self, route: str, spec_: ModelRouteSpec, *, ready: bool = True, reason: str = "", cause: str = ""
    ) -> None:
        """Play the operator: returns when gateways and the route's workers have the change."""
        self._version += 1
        # A name nobody else has shows which version of the route the gateway knows.
        marker = {"name": f"{route}-v{self._version}", "type": spec_.models[0].type}
        models = [*spec_.models, msgspec.convert(marker, type(spec_.models[0]))]
        entry = CatalogueEntry(
            namespace=NAMESPACE,
            name=route,
            created_at=int(time.time()) if route not in self._applied else self._applied[route].created_at,
            spec=msgspec.structs.replace(spec_, models=models),
            ready=ready,
            reason=reason,
            cause=cause,
        )
        self._applied[route] = entry
        workers = [worker for worker in self.workers if worker.alive and worker.name.startswith(f"worker-{route}-")]
        changes = [len(worker.events("worker.route_changed")) for worker in workers]
        await self.control_plane.apply(entry)
        if hasattr(self, "gateway") and ready:
            await until(lambda: self._knows(marker["name"]), "the gateway knows the route")
        for worker, before in zip(workers, changes, strict=True):
            await until(
                lambda worker=worker, before=before: len(worker.events("worker.route_changed")) > before,
                f"{worker.name} knows the route",
            )

    async def remove(self, route: str) -> None:
        """Delete the route, and end its workers as the operator would."""
        entry = self._applied.pop(route)
        await self.control_plane.remove(NAMESPACE, route)

        async def forgotten() -> bool:
            return not await self._knows(entry.spec.models[-1].name)

        await until(forgotten, "the gateway has forgotten the route")
        for worker in [worker for worker in self.workers if worker.name.startswith(f"worker-{route}-")]:
            await worker.end()
            self.workers.remove(worker)
            self.processes.remove(worker)

    def spec(self, route: str = "main") -> ModelRouteSpec:
        """The route's spec as last applied."""
        return self._applied[route].spec

    async def reconfigure(self, *, providers: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> None:
        """Change route "main": its default but for these fields (`limits`, `routing`, `slots`, `models`)."""
        self._reconfigured = True
        await self.apply("main", self._spec(providers=providers, **fields))

    async def reset(self) -> None:
        """As new: what died is started again, the default route, no open calls, empty memory."""
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
        worker = self._spawn_worker(route, env)
        await worker.said("worker.route_changed", present=True)
        return worker

    async def start_gateway(self, **env: str) -> Process:
        """Start the gateway (again), on the same port."""
        self._spawn_gateway(env)
        await self._gateway_ready()
        return self.gateway

    async def restart_nats(self) -> None:
        """Start the broker again and wait until it has its routes and the gateway is back."""
        before = self._times_applied
        self.nats.start()
        self.processes.append(self.nats.process)
        await until(lambda: self._times_applied > before, "the routes are applied again")
        await self.serving()

    async def serving(self) -> None:
        """Wait until the gateway is ready and says so."""
        await until(self._ready, "the gateway is ready")

    async def queued(self, route: str = "main") -> int:
        """Requests in the route's queue, those in workers' hands (not acked) too."""
        return int((await self._queue(route)).messages)

    async def taken(self, route: str = "main") -> int:
        """Requests that the route's queue has ever taken."""
        return int((await self._queue(route)).last_seq)

    async def _queue(self, route: str) -> StreamState:
        return (await self.connection.client.jetstream().stream_info(subjects.queue(NAMESPACE, route))).state

    def logs(self) -> str:
        """What the processes said since the last reset."""
        pages = [(process, process.log()) for process in self.processes]
        return "\n".join(f"--- {process.name} ({process.log_path})\n{page}" for process, page in pages if page)

    # How it starts

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
                self._spawn_worker(self._route, {})
        self.provider = await ScriptedProvider.start()
        self._cleanup.push_async_callback(self.provider.close)
        self.client = plain_client(self.url, timeout=30, headers=self._headers)
        self._cleanup.push_async_callback(self.client.aclose)
        await self._start_control_plane()
        await self._gateway_ready()
        for worker in self.workers:
            await worker.said("worker.route_changed", present=True)

    async def _start_control_plane(self) -> None:
        self.connection = Connection(
            self.nats.url,
            "control-plane",
            inbox_prefix=subjects.OPERATOR_INBOX,
            credentials=None if self.users is None else self.users.operator,
        )
        self._cleanup.push_async_callback(self.connection.close)
        self.control_plane = ControlPlane(self.connection)
        self.connection.listen(subjects.ALL_WORKER_HEARTBEATS, self._on_heartbeat)
        self.connection.on_connected(self._apply_all)
        if self._route is not None:
            entry = CatalogueEntry(
                namespace=NAMESPACE, name=self._route, created_at=int(time.time()), spec=self._spec()
            )
            self._applied[self._route] = entry
        await self.connection.start()

    async def _apply_all(self) -> None:
        async def applied() -> bool:
            try:
                await self.control_plane.prepare()
                for entry in self._applied.values():
                    await self.control_plane.apply(entry)
                await self.control_plane.mark_complete()
            except PenstockError:
                return False  # JetStream is not up yet
            return True

        await until(applied, "the routes are applied")
        self._times_applied += 1

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

    def _spawn_worker(self, route: str, env: Mapping[str, str]) -> Process:
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
        await until(self._ready, "the gateway is ready")
        for entry in self._applied.values():
            if entry.ready:
                await until(lambda entry=entry: self._knows(entry.spec.models[-1].name), "the gateway knows its routes")

    async def _ready(self) -> bool:
        if not self.gateway.alive:
            raise AssertionError(f"the gateway has exited with {self.gateway.exit_code}:\n{self.gateway.log()}")
        try:
            return (await self.client.get("/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def _knows(self, model: str) -> bool:
        try:
            answer = await self.client.get("/v1/models")
        except httpx.TransportError:
            return False
        return any(known["id"] == model for known in answer.json().get("data", []))

    async def _end_processes(self) -> None:
        for process in reversed(self.processes):
            await process.end()

    def _on_heartbeat(self, _subject: str, data: bytes) -> None:
        beat = codec.decode_worker_heartbeat(data)
        self.heartbeats[beat.worker] = beat
