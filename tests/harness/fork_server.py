"""Our programs without their imports: a process that has imported them forks one for each start.

    process = fork_server().start([sys.executable, "-m", "penstock_worker"], env, log)  # as `subprocess.Popen` would

Half a second of a core is what Python takes to import a worker, and a run of the tests starts a thousand of ours. What
is forked is a process of its own with its own arguments, environment and log, in a session of its own, and runs its
`__main__` from the first line; only `exec` is left out. The server is this process's, and all of them end with it.
Linux only, as PR_SET_PDEATHSIG is; elsewhere, and for `harness.processes.Process` of anything else, it is exec.
"""

import asyncio
import contextlib
import functools
import gc
import importlib
import os
import runpy
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from penstock_local.process.parent_death import parent_death_signal

TESTS = Path(__file__).parents[1]
IN_POD = Path(__file__).parent / "kubernetes" / "in_pod.py"
"""It starts the others as the chart's pods do."""
PENSTOCK = Path(sys.executable).parent / "penstock"
MODULES = ("penstock_operator", "penstock_gateway", "penstock_worker")
"""The operator first: it needs aiohttp and rich, which `penstock_runtime.blocked_imports` excludes for the others."""
REQUEST_MAX = 200_000
STATUS = struct.Struct("i")
"""The status of waitpid(2)."""


class Start(Struct, frozen=True):
    """`command` as exec takes it, and the whole environment."""

    command: Sequence[str]
    env: Mapping[str, str]


def forks(command: Sequence[str]) -> bool:
    """True if the server has imported the module."""
    if sys.platform != "linux":
        return False
    program, *arguments = command
    if program == sys.executable:
        return arguments[0] == str(IN_POD) or (arguments[0] == "-m" and arguments[1] in MODULES)
    return program == str(PENSTOCK)


class Forked:
    """One process, with what is used of a `Popen`; `ended` is for a loop that has something else to do."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._take()
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self._take()
        assert self.returncode is not None
        return self.returncode

    async def ended(self) -> int:
        if self.returncode is None:
            loop, readable = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(self._status, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(self._status)
        return self.wait()

    def send_signal(self, number: int) -> None:
        # As `Popen` does: no other process has its pid until it is reaped.
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _take(self) -> None:
        exit_status = os.read(self._status, STATUS.size)
        os.close(self._status)
        # Nothing is reported of those that ended with their server.
        self.returncode = os.waitstatus_to_exitcode(STATUS.unpack(exit_status)[0]) if exit_status else -signal.SIGKILL


class ForkServer:
    """`start` from the main thread, see `penstock_local.process.parent_death`.

    It imports while the caller goes on; the first start waits.
    """

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST_MAX)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(TESTS)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=parent_death_signal(),  # noqa: PLW1509 - one thread forks, see `parent_death`
            )

    def start(self, command: Sequence[str], env: Mapping[str, str], log: BinaryIO) -> Forked:
        """One that `forks`, in a session of its own that ends with its parent; `log` takes both of its outputs."""
        ours, theirs = os.pipe()
        try:
            requested = msgspec.json.encode(Start(command, env))
            socket.send_fds(self._control, [requested], [log.fileno(), theirs])
        finally:
            os.close(theirs)
        answer = self._control.recv(STATUS.size)
        if not answer:
            os.close(ours)
            raise RuntimeError(f"the fork server has ended with {self._process.wait()}")
        return Forked(STATUS.unpack(answer)[0], ours)


@functools.cache
def fork_server() -> ForkServer:
    """The server of this process, started by the first caller."""
    return ForkServer()


class _Serving:
    """The server's side. `child` returns only in a process that was forked, with what it is to run."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._tie = parent_death_signal()

    def child(self) -> Start:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._report_end(key)
                elif (start := self._fork()) is not None:
                    return start

    def _fork(self) -> Start | None:
        requested, descriptors, _, _ = socket.recv_fds(self._control, REQUEST_MAX, 2)
        if not requested:
            os._exit(0)  # the parent has ended; the other children end with this process
        log, status = descriptors
        pid = os.fork()
        if pid == 0:
            self._leave(log, status)
            return msgspec.json.decode(requested, type=Start)
        os.close(log)
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))
        self._control.send(STATUS.pack(pid))
        return None

    def _report_end(self, key: selectors.SelectorKey) -> None:
        pid, status = key.data
        _, code = os.waitpid(pid, 0)
        with contextlib.suppress(BrokenPipeError):
            os.write(status, STATUS.pack(code))
        self._selector.unregister(key.fileobj)
        assert isinstance(key.fileobj, int)
        os.close(key.fileobj)
        os.close(status)

    def _leave(self, log: int, status: int) -> None:
        """In the child: nothing of the server's stays open, and nothing of ours is on its terminal."""
        os.setsid()
        if self._tie is not None:
            self._tie()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, int):
                os.close(key.fileobj)
                os.close(key.data[1])
        self._selector.close()
        self._control.close()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.close(status)


def _import() -> None:
    for module in MODULES:
        importlib.import_module(f"{module}.__main__")
        # Run again by every child, as the first module of a program is.
        del sys.modules[f"{module}.__main__"]
    assert threading.active_count() == 1, "what has threads cannot be forked"
    gc.collect()
    gc.freeze()


def _run(start: Start) -> None:
    program, *arguments = start.command
    os.environ.clear()
    os.environ.update(start.env)
    if program == sys.executable and arguments[0] == "-m":
        sys.argv = [program, *arguments[2:]]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments if program == sys.executable else [program, *arguments]
        runpy.run_path(sys.argv[0], run_name="__main__")


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    _import()
    _run(_Serving(control).child())


if __name__ == "__main__":
    main()
