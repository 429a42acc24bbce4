"""`make cluster`: what it builds, and what it leaves of the machine's network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.kubernetes import __main__ as command
from harness.kubernetes import binaries
from harness.kubernetes.node import requirement
from harness.kubernetes.node.network import CABLE

TESTS = Path(__file__).parents[1]
# The command twice, with a program in the node's place that ends once the cable has reached it. Its network namespace
# outlives it, as a node's may do for minutes.
TWICE = """
import subprocess, sys
from harness.kubernetes.node import keeping
from harness.kubernetes.node.images import Store
from harness.kubernetes.node.namespace import Inside

class Short(Inside):
    def __init__(self, run, _command):
        super().__init__(run, ["sh", "-c", "until ip link show host0; do sleep 0.05; done"])
        outlive.append(open(f"/proc/{self.pid}/ns/net"))

outlive = []
keeping.Inside = Short
for _ in range(2):
    assert keeping.up(Store("no images")) == 0
    print(subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout, file=sys.stderr)
"""


class Built(Exception):  # noqa: N818 - the end of the test
    """Raised in place of the build, which would take minutes."""


def test_harness_cluster_builds_only_what_it_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built: set[str] = set()

    def build(*names: str) -> None:
        built.update(names)
        raise Built

    monkeypatch.setattr(binaries, "build", build)
    monkeypatch.setattr(command, "PID_FILE", tmp_path / "cluster.pid")
    with pytest.raises(Built):
        command.up()

    assert {"etcd", "kube-apiserver", "kubectl", "helm"} <= built
    assert not built & {"skaffold", *binaries.OF_A_NODE}


@pytest.mark.skipif(requirement.missing() != "", reason=f"no node here: {requirement.missing()}")
def test_harness_cluster_takes_its_cable_along() -> None:
    ended = subprocess.run(
        # In a network of its own: a cluster that is up on this machine keeps its cable.
        ["unshare", "--net", sys.executable, "-c", TWICE],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert CABLE not in ended.stderr
