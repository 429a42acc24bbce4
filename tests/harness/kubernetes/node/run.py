"""One run of a node on this machine: a directory for all of its files, and a cgroup of the same name.

Everything else it has is in namespaces of its own, and the kernel takes those away with their first process. Directory
and cgroup outlive that. A running process holds the directory's lock, and the next holder cleans up: a process that
waits for it from the start, or, if that was ended too, the next run.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness.kubernetes import binaries

PREFIX = "penstock-node-"
TIDY_S = 20.0
"""The last processes may still be exiting; the kernel keeps a cgroup for as long."""
CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids", "hugetlb")


def home() -> Path:
    """Where runs are, beside the images that stay: hard links do not leave a file system."""
    path = binaries.cache() / "node"
    path.mkdir(parents=True, exist_ok=True)
    return path


class Run:
    """`path` and `name`, the cgroup's too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    @classmethod
    def begin(cls) -> "Run":
        """Of this process. Its children must inherit `lock`, as it is theirs as well."""
        sweep()
        run = cls(Path(tempfile.mkdtemp(prefix=PREFIX, dir=home())))
        run.lock = os.open(run.path / "lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(run.lock, fcntl.LOCK_EX)
        os.set_inheritable(run.lock, True)
        run._caretaker = subprocess.Popen(
            [sys.executable, "-m", "harness.kubernetes.node", "tidy", str(run.path)],
            stdin=subprocess.DEVNULL,
            # Out of reach of the terminal's Ctrl-C.
            start_new_session=True,
        )
        for hierarchy in hierarchies():
            _delegate(hierarchy)
            (hierarchy / run.name).mkdir()
        return run

    lock: int
    _caretaker: subprocess.Popen[bytes]

    def end(self) -> None:
        """Returns when nothing is left of it."""
        os.close(self.lock)
        self._caretaker.wait(TIDY_S + 10)

    def tidy(self) -> None:
        """Wait until no process holds the lock, and delete everything."""
        with _lock(self.path) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._remove()

    def _remove(self) -> None:
        end = time.monotonic() + TIDY_S
        for hierarchy in hierarchies():
            while not _remove_cgroup(hierarchy / self.name) and time.monotonic() < end:
                time.sleep(0.05)
        shutil.rmtree(self.path, ignore_errors=True)


def sweep() -> None:
    """Delete the remains of runs that were not cleaned up."""
    for path in home().glob(f"{PREFIX}*"):
        with contextlib.suppress(BlockingIOError), _lock(path) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Run(path)._remove()


def hierarchies() -> list[Path]:
    """Where cgroups are made: of version 1 there are several, of version 2 there is one."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return [Path(target) for _, target, kind, *_ in mounts if kind in {"cgroup", "cgroup2"}]


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[int]:
    lock = os.open(path / "lock", os.O_CREAT | os.O_RDWR)
    try:
        yield lock
    finally:
        os.close(lock)


def _delegate(hierarchy: Path) -> None:
    """Version 2 gives a cgroup only the controllers that its parent passes on."""
    offered = hierarchy / "cgroup.controllers"
    for controller in offered.read_text().split() if offered.exists() else ():
        if controller in CONTROLLERS:
            (hierarchy / "cgroup.subtree_control").write_text(f"+{controller}")


def _remove_cgroup(root: Path) -> bool:
    if not root.exists():
        return True
    for directory, _, _ in os.walk(root, topdown=False):
        try:
            Path(directory).rmdir()
        except OSError:
            return False
    return True
