"""The memory that this process may use: the smallest limit of its cgroups, else the machine's memory.

A container's limit is a cgroup limit. Version 2 has `memory.max` in the process's group and in each group above it;
version 1 has `memory.limit_in_bytes`, with a number close to 2^63 where there is no limit.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
OWN_GROUPS: Final = Path("/proc/self/cgroup")


def memory_limit(cgroups: Path = CGROUPS, own_groups: Path = OWN_GROUPS) -> int | None:
    """The limit in bytes, None without a cgroup limit below the machine's memory."""
    limits = [limit for file in _files(cgroups, own_groups) if (limit := _number(file)) is not None]
    lowest = min(limits, default=None)
    return None if lowest is None or lowest >= machine_memory() else lowest


def machine_memory() -> int:
    """The machine's memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _files(cgroups: Path, own_groups: Path) -> Iterator[Path]:
    """The files with a limit. A container often has its own group mounted as the root, below a path of the host."""
    try:
        lines = own_groups.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        if ".." not in own.parts:
            for group in (own, *own.parents):
                yield root / group / name


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None  # `max`, or no such group below this mount
