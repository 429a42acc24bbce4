"""The memory limit of a process, from the files of both versions of cgroups."""

from pathlib import Path

import pytest

from penstock_runtime.memory.limit import machine_memory, memory_limit

MIB = 1024 * 1024


def limit(directory: Path, groups: str, files: dict[str, str]) -> int | None:
    own = directory / "own"
    own.write_text(groups)
    for name, text in files.items():
        file = directory / "cgroups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return memory_limit(directory / "cgroups", own)


V1 = "9:name=systemd:/\n4:memory:/kubepods/pod1/container\n1:cpu,cpuacct:/\n0::/\n"
CASES: dict[str, tuple[str, dict[str, str], int | None]] = {
    "a container of version 2": ("0::/\n", {"memory.max": f"{512 * MIB}\n"}, 512 * MIB),
    "no limit in version 2": ("0::/\n", {"memory.max": "max\n"}, None),
    "a limit of a group above": (
        "0::/a/b\n",
        {"a/b/memory.max": "max\n", "a/memory.max": f"{256 * MIB}\n", "memory.max": f"{512 * MIB}\n"},
        256 * MIB,
    ),
    "the host's path over the container's mount": ("0::/kubepods/pod1\n", {"memory.max": f"{MIB}\n"}, MIB),
    "the container's mount of version 1": (V1, {"memory/memory.limit_in_bytes": f"{300 * MIB}\n"}, 300 * MIB),
    "the host's mount of version 1": (
        V1,
        {
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/kubepods/pod1/container/memory.limit_in_bytes": f"{300 * MIB}\n",
        },
        300 * MIB,
    ),
    "no limit in version 1": (V1, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    "a path outside of the mount": ("0::/../other\n", {"memory.max": f"{MIB}\n"}, None),
    "no cgroups": ("", {}, None),
}


@pytest.mark.parametrize(("groups", "files", "found"), CASES.values(), ids=CASES)
def test_memory_limit_is_the_lowest_of_the_cgroups(
    tmp_path: Path, groups: str, files: dict[str, str], found: int | None
) -> None:
    assert limit(tmp_path, groups, files) == found


def test_memory_limit_above_the_machines_memory_is_none(tmp_path: Path) -> None:
    assert limit(tmp_path, "0::/\n", {"memory.max": f"{machine_memory() + MIB}\n"}) is None


def test_memory_limit_without_a_list_of_groups_is_none(tmp_path: Path) -> None:
    assert memory_limit(tmp_path, tmp_path / "missing") is None
