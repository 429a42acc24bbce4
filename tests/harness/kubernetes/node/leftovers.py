"""Finds the processes, namespaces and files that a node has left on the machine, and describes each.

    leftovers = Leftovers(run, inside.pid)
    ...
    assert not list(leftovers.found())

The kernel lists namespaces: as long as a process runs in one of them, or a file pins it, they
exist, and with them mounts, interfaces, addresses and rules.
"""

from collections.abc import Iterator
from pathlib import Path

from harness.kubernetes.node.network import BRIDGE, has_rules_of
from harness.kubernetes.node.run import Run, hierarchies

KINDS = ("net", "mnt", "pid")
PLACES = (
    "/etc/cni/net.d",
    "/run/containerd",
    "/run/netns",
    "/run/runc",
    "/run/penstock-containerd",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)
"""The default directories of containerd, CNI plugins and kubelet."""


class Leftovers:
    """Created while the node runs: `pid` is its namespaces' first process."""

    def __init__(self, run: Run, pid: int) -> None:
        self._run = run
        self._namespaces = {(kind, _namespace(pid, kind)) for kind in KINDS}
        # The machine may be a node of another cluster.
        self._before = set(_of_the_machine())

    def found(self) -> Iterator[str]:
        yield from self._living()
        yield from self._pinned()
        yield from set(_of_the_machine()) - self._before
        if self._run.path.exists():
            yield f"directory {self._run.path}"
        for path in (hierarchy / self._run.name for hierarchy in hierarchies()):
            if path.exists():
                yield f"cgroup {path}"

    def _living(self) -> Iterator[str]:
        for directory in Path("/proc").iterdir():
            its_own = {(kind, _namespace(directory.name, kind)) for kind in KINDS}
            if directory.name.isdigit() and self._namespaces & its_own:
                yield f"process {directory.name}"

    def _pinned(self) -> Iterator[str]:
        signs = [self._run.name, *(f"{kind}:[{number}]" for kind, number in self._namespaces)]
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if any(sign in line for sign in signs):
                yield f"mount {line}"


def _of_the_machine() -> Iterator[str]:
    for place in PLACES:
        if Path(place).exists():
            yield f"directory {place}"
    if Path("/sys/class/net", BRIDGE).exists():
        yield f"interface {BRIDGE}"
    yield from (f"rules of {whose}" for whose in ("kube-proxy", "KUBE-ROUTER") if has_rules_of(whose))


def _namespace(pid: int | str, kind: str) -> str:
    """Its number; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/ns/{kind}").readlink().name.partition("[")[2].rstrip("]")
    except OSError:
        return ""
