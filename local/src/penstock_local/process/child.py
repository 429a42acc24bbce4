"""One supervised child process: started, read line by line, restarted when it ends, stopped on request.

In a session of its own, so that Ctrl-C in the terminal reaches only `penstock dev`, and the end has an order. It
does not depend on the child's work.
"""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable

import msgspec

from penstock_local.process.commands import Command

RESTART_FIRST_S = 0.1
RESTART_MAX_S = 5.0
LASTING_S = 10.0
"""A child that lived this long had started well: its next end is a first failure again."""
NOT_STARTED = 127
"""The exit code of a program that cannot be run, as shells count."""
LINE_BYTES_MAX = 1024 * 1024
LAST_LINES = 12
BUSY_READ_S = 0.2
"""A child that writes more often than this is read this often."""


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is negative for a signal. `failures` counts the ends in a row that came soon after the start."""

    code: int
    failures: int
    last_lines: tuple[str, ...]

    @property
    def cause(self) -> str:
        return f"exit code {self.code}" if self.code >= 0 else signal.Signals(-self.code).name


def restart_delay_s(failures: int) -> float:
    return min(RESTART_MAX_S, RESTART_FIRST_S * 2.0 ** (failures - 1))


class Child:
    """`on_line` gets its stdout and stderr; `on_exit` gets its unrequested ends and returns whether to restart it.

    `command` may be replaced between two starts. Call `stop` after `start`.
    """

    def __init__(
        self,
        command: Command,
        *,
        on_line: Callable[["Child", str], None],
        on_exit: Callable[["Child", Exit], bool],
        before_exec: Callable[[], None] | None = None,
    ) -> None:
        self.command = command
        self._on_line = on_line
        self._on_exit = on_exit
        self._before_exec = before_exec
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop_requested = asyncio.Event()
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def name(self) -> str:
        return self.command.name

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL if it takes longer than `grace_s`; returns when it is gone."""
        self._stop_requested.set()
        if self._task is None:
            return
        self._send(signal.SIGTERM)
        _, waiting = await asyncio.wait({self._task}, timeout=grace_s)
        if waiting:
            self.kill()
        await self._task

    def kill(self) -> None:
        """End it at once, and whatever it may have started."""
        self._stop_requested.set()
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._stop_requested.is_set():
            started_at = loop.time()
            process = await self._started()
            code = NOT_STARTED if process is None else await self._ended(process)
            failures = 1 if loop.time() - started_at > LASTING_S else failures + 1
            end = Exit(code=code, failures=failures, last_lines=tuple(self._last_lines))
            if self._stop_requested.is_set() or not self._on_exit(self, end):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(restart_delay_s(failures)):
                    await self._stop_requested.wait()

    async def _started(self) -> asyncio.subprocess.Process | None:
        """None if the program cannot be run; `_last_lines` then has the reason."""
        self._last_lines.clear()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.command.argv,
                env=self.command.environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._before_exec,
                pass_fds=self.command.descriptors,
            )
        except OSError as error:
            self._last_lines.append(str(error))
            return None
        return self._process

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """The exit code. Returns only when the process has ended: a second one is never started beside it."""
        if self._stop_requested.is_set():
            self._send(signal.SIGKILL)  # it has no state yet
        assert process.stdout is not None
        try:
            await self._read(process.stdout)
        except Exception as error:  # noqa: BLE001 - whatever a callback raises
            # A child that is no longer read would block at a line: it is ended and restarted like any other.
            self._last_lines.append(f"its output could not be handled: {error}")
            self._send(signal.SIGKILL)
        return await process.wait()

    async def _read(self, output: asyncio.StreamReader) -> None:
        loop = asyncio.get_running_loop()
        pending = b""
        read_at = 0.0
        while data := await output.read(65_536):
            if loop.time() - read_at < BUSY_READ_S:
                # A wake-up for each line of a busy child would cost as much as a token's whole way, times ten.
                await asyncio.sleep(BUSY_READ_S)
            read_at = loop.time()
            *lines, pending = (pending + data).split(b"\n")
            if len(pending) > LINE_BYTES_MAX:
                lines, pending = [*lines, pending], b""
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                self._last_lines.append(text)
                self._on_line(self, text)
