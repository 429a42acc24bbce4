"""Starts, supervises and ends all processes of one `penstock dev`.

Start: all processes at the same time, since each waits for its dependencies; then the catalogue, then the overview.

The end, in order:
    1. The gateway stops taking connections and finishes its open streams, at most `GATEWAY_GRACE_S`.
    2. The workers, which have nothing left to do, then the models, then nats-server.
    3. The directory. A second Ctrl-C kills all of them where they are; so does the first until the screen is shown.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from penstock_contract import dev_run_file
from penstock_local import interpreter
from penstock_local.credentials import run_credentials
from penstock_local.disk_space import free_bytes, store_sizes
from penstock_local.models.bundled import TITLES, BundledModel
from penstock_local.process import commands, nats_server, ports, readiness
from penstock_local.process.child import Child, Exit
from penstock_local.process.commands import GATEWAY_GRACE_S, Command
from penstock_local.process.model_servers import ModelServers
from penstock_local.process.parent_death import parent_death_signal
from penstock_local.process.worker_processes import WorkerProcesses
from penstock_local.routes import route_changes
from penstock_local.routes.plan import plan, secret_variables
from penstock_local.routes.route_files import LoadedRoute
from penstock_local.routes.watcher import RouteFileWatcher
from penstock_local.state_directory import used_bytes
from penstock_local.terminal import overview
from penstock_local.terminal.log_view import LogView

if TYPE_CHECKING:
    from penstock_local.routes.local_control_plane import RouteController

STOP_GRACE_S = 2.0
START_MAX_S = 120.0
"""After this the overview is shown with the missing parts, instead of waiting longer."""
START_FAILURES_MAX = 3


class ProcessSupervisor:
    """`run` once. `stop` may be called at any time: once to end in order, twice to end now.

    `listener` is bound and listens from before the start, and is closed at the end: connections that come while the
    gateway starts, or starts again, wait for it, and no other process can take the port meanwhile.
    `directory` ends with the run; `state` is what outlives it, None without one. `watcher` gives changed routes.
    `started`: the overview was shown. `had_failures`: a process ended unexpectedly.
    """

    def __init__(
        self,
        routes: Sequence[LoadedRoute],
        environ: Mapping[str, str],
        host: str,
        listener: socket,
        directory: Path,
        log_view: LogView,
        *,
        state: Path | None = None,
        watcher: RouteFileWatcher | None = None,
    ) -> None:
        self._routes = routes
        self._environ = environ
        self._host = host
        self._listener = listener
        self._url = overview.local_url(host, listener.getsockname()[1])
        self._directory = directory
        self._state = state
        self._watcher = watcher
        self._log_view = log_view
        stores = state or directory
        self._sizes = store_sizes(stores, free_bytes(stores) + used_bytes(stores))
        self._started_at = int(time.time())
        self._models = ModelServers(self._child, self._model_command, self._on_model)
        self._workers = WorkerProcesses(self._child)
        self._working: set[str] = set()
        self._served: set[str] = set()
        self._changed = asyncio.Event()
        self._stop_requested = asyncio.Event()
        self._gateway_ended = asyncio.Event()
        self.started = False
        self.had_failures = False
        self._failure: str | None = None
        self._control: RouteController | None = None
        self._nats_port = ports.free_port("127.0.0.1")
        self._nats_url = f"nats://{secrets.token_hex(24)}@127.0.0.1:{self._nats_port}"
        self._before_exec = parent_death_signal()
        self._access = run_credentials(host, ports.free_port("127.0.0.1"), environ, state)
        dev_run_file.write(directory, self._access.admin)
        self._replan()
        self._broker = self._child(self._nats_command())
        self._gateway = self._child(commands.gateway(host, listener, self._nats_url, self._access, self._inherited()))

    async def run(self) -> str | None:
        """Serve until stopped. Returns the error if the start failed."""
        serving = asyncio.create_task(self._serve())
        stopped = asyncio.create_task(self._stop_requested.wait())
        try:
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            for task in (serving, stopped):
                task.cancel()
            await asyncio.wait({serving, stopped}, timeout=STOP_GRACE_S)
            await self._end()
        return self._failure

    def stop(self) -> None:
        if self._stop_requested.is_set():
            for child in self._children():
                child.kill()
        self._stop_requested.set()

    def _children(self) -> list[Child]:
        return [self._gateway, *self._workers.children, *self._models.children, self._broker]

    def _inherited(self) -> dict[str, str]:
        """The environment of every child: not the variables that the routes refer to."""
        names = frozenset(name for route in self._routes for name in secret_variables(route.route.spec))
        return commands.inherited(self._environ, names)

    def _child(self, command: Command) -> Child:
        return Child(command, on_line=self._on_line, on_exit=self._on_exit, before_exec=self._before_exec)

    def _nats_command(self) -> Command:
        path = self._directory / "nats.conf"
        token = urlsplit(self._nats_url).username or ""
        stores = self._state or self._directory
        path.write_text(nats_server.config(self._nats_port, token, stores, self._sizes.total), "utf-8")
        return commands.nats_server(nats_server.binary(), path, self._inherited())

    def _model_command(self, model: BundledModel, port: int) -> Command:
        # If it is ended while it loads, its written weights remain: they are deleted with the run's directory.
        environ = self._inherited() | commands.fetching(self._environ) | {"TMPDIR": str(self._directory)}
        return commands.model_server(model, port, environ)

    async def _serve(self) -> None:
        await self._start_all()
        async with asyncio.TaskGroup() as tasks:
            if self._watcher is not None and self._watcher.watches:
                tasks.create_task(self._watcher.run(self._on_routes, self._on_bad_routes))
            await self._restarts()

    async def _restarts(self) -> None:
        while True:
            await self._gateway_ended.wait()
            self._gateway_ended.clear()
            await self._gateway_ready()
            self._log_view.progress("the gateway is back")

    async def _gateway_ready(self) -> None:
        await readiness.gateway(str(urlsplit(self._url).hostname), self._listener.getsockname()[1])

    async def _start_all(self) -> None:
        loading = [f"the model {TITLES[model]}" for model in self._models.states]
        workers = f"{len(self._workers)} worker{'' if len(self._workers) == 1 else 's'}"
        self._log_view.progress(f"starting {', '.join(['nats-server', 'the gateway', workers, *loading])}")
        if (exposed := overview.exposure_warning(self._host, self._access.first_key)) is not None:
            self._log_view.warning(exposed)
        # The gateway takes longest, and models longer still: the broker is ready before either connects.
        for part in (self._broker, self._gateway, self._models, self._workers):
            part.start()
        # Yield to the start of the children first, then import the controller.
        await asyncio.sleep(0)
        from penstock_local.routes.local_control_plane import RouteController, send_logs  # noqa: PLC0415 - nats and structlog, meanwhile

        send_logs(lambda line: self._log_view.log("penstock dev", line))
        await readiness.broker(self._nats_port)
        self._control = RouteController(
            self._nats_url, self._sizes, on_heartbeat=self._on_heartbeat, on_applied=self._on_applied
        )
        self._control.want([route.entry for route in self._planned])
        await self._control.start()
        try:
            async with asyncio.timeout(START_MAX_S):
                await self._gateway_ready()
                while not self._settled():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._log_view.warning("not everything came up; what is missing goes on trying")
        self.started = True
        shown = overview.render(
            self._url,
            self._planned,
            frozenset(self._working),
            self._log_view.ink,
            after_s=self._log_view.elapsed_s(),
            host=self._host,
            key=self._access.first_key,
            playground=self._gateway.command.environ[commands.PLAYGROUND].lower() in {"1", "true"},
            state=self._state,
            slower=interpreter.running(),
        )
        self._log_view.show(shown)
        self._log_view.hint()

    def _settled(self) -> bool:
        """Every model has loaded or failed, the catalogue is written, every worker has sent a heartbeat."""
        applied = self._control is not None and self._control.applied
        working = all(route.entry.key in self._working for route in self._planned if route.servable)
        return self._models.settled and applied and working

    async def _end(self) -> None:
        self._log_view.stopping()
        # Otherwise new connections would wait for an accept of the stopping gateway.
        self._listener.close()
        if self.started and self._failure is None:
            self._log_view.progress("stopping; open streams may finish, Ctrl-C again ends them")
        try:
            if self._control is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STOP_GRACE_S):
                        await self._control.close()
        finally:
            if not self.started:
                # No address was printed yet, and a model that is loading handles no SIGTERM for a second or two.
                for child in self._children():
                    child.kill()
            await self._gateway.stop(GATEWAY_GRACE_S + 1)
            await asyncio.gather(self._workers.stop(STOP_GRACE_S), self._models.stop(STOP_GRACE_S))
            await self._broker.stop(STOP_GRACE_S)

    # Events of the processes

    def _replan(self) -> None:
        """Work out the plan again, and have it served: models, workers, catalogue."""
        states = self._models.states
        for _ in range(2):  # the first plan gives the needed models, the second one has their states
            self._planned = plan(self._routes, self._environ, states, started_at=self._started_at)
            self._models.want(model for route in self._planned for model in route.models if route.servable)
        inherited = self._inherited()
        servable = [route for route in self._planned if route.servable]
        self._workers.want(
            {route.entry.key: commands.worker(route, self._nats_url, self._environ, inherited) for route in servable}
        )
        self._working &= {route.entry.key for route in servable}
        if self._control is not None:
            self._control.want([route.entry for route in self._planned])

    def _on_routes(self, routes: list[LoadedRoute]) -> None:
        before, self._routes = self._routes, routes
        self._replan()
        self._log_view.progress(route_changes.summary(before, routes))
        self._log_view.show("\n".join(overview.table(self._planned, frozenset(self._working), self._log_view.ink)))

    def _on_bad_routes(self, problem: str) -> None:
        self._log_view.warning(f"{problem}\n         the routes as they were are served on; correct the file")

    def _on_line(self, child: Child, line: str) -> None:
        if self._models.on_line(child, line):
            self._log_view.keep(child.name, line)
        else:
            self._log_view.log(child.name, line)

    def _on_exit(self, child: Child, end: Exit) -> bool:
        if self._models.failed(child, end):
            return False
        self.had_failures = True
        self._working.discard(self._workers.key_of(child) or "")
        vital = child in (self._broker, self._gateway)
        if vital and not self.started and end.failures >= START_FAILURES_MAX:
            self._fail("\n".join([f"{child.name} does not start ({end.cause})", *end.last_lines]))
            return False
        self._log_view.warning(f"{child.name} ended ({end.cause}), starting it again")
        if child is self._gateway:
            self._gateway_ended.set()
        return True

    def _on_model(self, shown: str) -> None:
        if shown and not self._stop_requested.is_set():
            self._log_view.progress(shown)
        self._replan()
        self._changed.set()

    def _on_heartbeat(self, key: str) -> None:
        if key not in self._working:
            self._working.add(key)
            self._changed.set()
            if self.started:
                self._log_view.progress(f"the route {key} has a worker{' again' if key in self._served else ''}")
            self._served.add(key)

    def _on_applied(self, restored: bool) -> None:
        self._changed.set()
        if restored:
            self._log_view.progress("nats-server is back, every route is set up again")

    def _fail(self, message: str) -> None:
        self._failure = message
        self._stop_requested.set()
