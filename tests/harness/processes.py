"""Processes for tests: started with a log file, observed by their log lines, ended by pid."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from harness.fork_server import Forked, fork_server, forks

from penstock_local.process.parent_death import parent_death_signal

POLL_S = 0.01
POLL_MAX_S = 0.05
"""A longer wait checks less often, to leave CPU time to the processes."""
PORTS = (12_000, 30_000)
START_S = 45.0


def free_port() -> int:
    """A loopback port that was free a moment ago, and that the kernel assigns to no other process.

    Below those that the kernel gives to clients, and above those of a node: one of the kernel's own choice can
    be the local port of a connection by the time that it is listened on.
    """
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def until(
    holds: Callable[[], Any] | Callable[[], Awaitable[Any]], what: str, *, timeout_s: float = START_S
) -> Any:
    """Poll until `holds()` (sync or async) is truthy and return it; `what` names it when it never is."""
    end = time.monotonic() + timeout_s
    pause_s = POLL_S
    while True:
        result = holds()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.2, POLL_MAX_S)


class Process:
    """One child process; its output goes to `log_path`. `mark` begins a new page of the log.

    A `leashed` process gets no Ctrl-C from the terminal and ends with this process. Start it from the main thread, see
    `penstock_local.process.parent_death`. One of Penstock's programs is then forked, see `harness.fork_server`.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        log_path: Path,
        env: dict[str, str] | None = None,
        *,
        leashed: bool = False,
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._page = log_path.stat().st_size if log_path.exists() else 0
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        whole_env = {**inherited, **(env or {})}
        self._process: Forked | subprocess.Popen[bytes]
        with log_path.open("ab") as log:
            if leashed and forks(command):
                self._process = fork_server().start(command, whole_env, log)
                return
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=whole_env,
                start_new_session=leashed,
                preexec_fn=parent_death_signal() if leashed else None,  # noqa: PLW1509 - one thread forks, see `parent_death`
            )

    @classmethod
    def python(cls, name: str, module: str, log_path: Path, env: dict[str, str]) -> "Process":
        """`python -m module`, leashed."""
        return cls(name, [sys.executable, "-m", module], log_path, env, leashed=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`, and wait: gone when this returns."""
        self._process.kill()
        self._process.wait()

    async def exited(self, timeout_s: float = 10.0) -> int:
        """Wait for the end and return the exit code."""
        await until(lambda: not self.alive, f"{self.name} exits", timeout_s=timeout_s)
        return self._process.wait()

    def log(self) -> str:
        """The output of the process since the last `mark`."""
        with self.log_path.open("rb") as log:
            log.seek(self._page)
            return log.read().decode(errors="replace")

    def mark(self) -> None:
        self._page = self.log_path.stat().st_size

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Structured log lines since the last `mark`, all or those of one event name."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if name is None or line.get("event") == name]

    async def logged(self, event: str, **fields: Any) -> dict[str, Any]:
        """Wait until the process has logged `event` with these fields."""

        def find() -> dict[str, Any] | None:
            if not self.alive:
                raise AssertionError(f"{self.name} has exited with {self.exit_code}:\n{self.log()}")
            matching = (line for line in self.events(event) if fields.items() <= line.items())
            return next(matching, None)

        found: dict[str, Any] = await until(find, f"{self.name} logs {event}")
        return found

    async def end(self) -> None:
        """End it for good, whatever state it is in; for cleaning up."""
        if self.alive:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                await self.exited(2.0)
            except TimeoutError:
                self._process.kill()
        self._process.wait()
