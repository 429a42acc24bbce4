"""The processes of a pod, for a test that ends them as no API would. Only within the node's namespaces."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def pids(pod: Mapping[str, Any]) -> Sequence[int]:
    """Of its containers, in the order of their start; not the one that holds the pod's network."""
    uid = pod["metadata"]["uid"]
    return [process for process in sorted(_numbers()) if _is_of(process, uid)]


def _numbers() -> Sequence[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _is_of(process: int, uid: str) -> bool:
    directory = Path(f"/proc/{process}")
    try:
        return f"pod{uid}" in (directory / "cgroup").read_text() and (directory / "comm").read_text() != "pause\n"
    except (FileNotFoundError, ProcessLookupError):
        return False
