"""A cgroup with a memory limit, for one process of a test; version 1 or 2 of the interface.

Below the group of the tests, which needs root or a delegated group. Without that permission there is none, and a test
compares the process's peak with the limit instead, see `peak_bytes`.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """`limited` is False where no group could be made."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._directory: Path | None = None
        for parent, limit in _parents():
            directory = parent / f"penstock-test-{os.getpid()}"
            with contextlib.suppress(OSError):
                directory.mkdir()
                try:
                    (directory / limit).write_text(str(limit_bytes))
                except OSError:
                    directory.rmdir()
                    raise
                self._directory = directory
                break

    @property
    def limited(self) -> bool:
        return self._directory is not None

    def command(self, *command: str) -> list[str]:
        """The same command, as a process of this group from its first instruction."""
        if self._directory is None:
            return [*command]
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self._directory), *command]

    def peak(self) -> int | None:
        """The most memory of all its processes, with the kernel's buffers; None without a group."""
        if self._directory is None:
            return None
        for name in ("memory.peak", "memory.max_usage_in_bytes"):
            with contextlib.suppress(OSError):
                return int((self._directory / name).read_text())
        return None

    def remove(self) -> None:
        """Call when its process has ended."""
        if self._directory is not None:
            self._directory.rmdir()


def peak_bytes(pid: int) -> int:
    """The most resident memory that the process has had."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024


def _parents() -> Iterator[tuple[Path, str]]:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield ROOT / "memory" / path.lstrip("/"), "memory.limit_in_bytes"
        elif not controllers:
            yield ROOT / path.lstrip("/"), "memory.max"
