"""A process tree, accounted for as a whole and ended as a whole.

CPU is user + system of every live process and of the children that each has reaped. Memory is PSS, so pages that a
tree's processes share count once. A process belongs to the tree if it descends from the root or lives in the root's
session, so a process whose parent has exited is counted.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One line of the accounts."""

    pid: int
    started: int  # clock ticks since boot: with the pid, an identity that reuse cannot forge
    cmdline: str
    cpu_s: float


class Tree:
    """A started command and its child processes; the caller stops it."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.log = log
        # The uncounted first start leaves the bytecode for the counted ones, as for every user who starts it twice:
        # pip compiles what it installs, uv does not, and a sandbox may forbid to write it.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.spawned_at = time.perf_counter()
        with log.open("wb") as output:
            self.root = subprocess.Popen(  # its end is stop(), not a with block
                argv,
                env={**inherited, **env},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def processes(self) -> list[Process]:
        """Every process of the tree, the root first."""
        table = {pid: fields for pid in _pids() if (fields := _stat(pid)) is not None}
        members = [self.root.pid]
        members += [pid for pid, fields in table.items() if int(fields[3]) == self.root.pid and pid != self.root.pid]
        for parent in members:  # grows while it is walked
            members += [pid for pid, fields in table.items() if int(fields[1]) == parent and pid not in members]
        return [_process(pid, table[pid]) for pid in members if pid in table]

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far by process, keyed by pid and command line."""
        return {f"{process.pid} {process.cmdline}": process.cpu_s for process in self.processes()}

    def memory_mib(self) -> dict[str, float]:
        """PSS in MiB by process, keyed as in cpu_s."""
        return {f"{process.pid} {process.cmdline}": _pss_mib(process.pid) for process in self.processes()}

    def stop(self, patience_s: float = 20) -> None:
        """Terminate the root, and after its grace period kill the remaining processes of the tree by pid."""
        before = self.processes()
        self.root.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.root.wait(patience_s)
        left = {(process.pid, process.started) for process in [*before, *self.processes()]}
        for pid, started in left:
            fields = _stat(pid)
            if fields is not None and int(fields[19]) == started:
                os.kill(pid, signal.SIGKILL)
        self.root.wait()

    def tail(self, lines: int = 15) -> str:
        """The end of the log, for the message when something went wrong."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def process_cpu_s(pid: int) -> float:
    """CPU seconds of one process and the children it has reaped; 0 if it is gone."""
    fields = _stat(pid)
    return _cpu_s(fields) if fields else 0.0


def process_memory_mib(pid: int) -> float:
    """PSS of one process; 0 if it is gone."""
    return _pss_mib(pid)


@dataclass(frozen=True)
class Box:
    """CPU seconds of the whole machine since boot."""

    busy_s: float
    stolen_s: float  # by the hypervisor for its other guests

    @classmethod
    def read(cls) -> "Box":
        user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(
            int, (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
        )
        return cls((user + nice + system + irq + softirq) * _TICK_S, steal * _TICK_S)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on (state, ppid, pgrp, session, …); None if it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _cpu_s(fields: list[str]) -> float:
    return sum(map(int, fields[11:15])) * _TICK_S  # utime, stime, cutime, cstime


def _process(pid: int, fields: list[str]) -> Process:
    try:
        cmdline = (_PROC / str(pid) / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except (FileNotFoundError, ProcessLookupError):
        cmdline = ""
    return Process(pid, int(fields[19]), cmdline, _cpu_s(fields))


def _pss_mib(pid: int) -> float:
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0.0)
