"""A cluster for manual tests: `python -m harness.kubernetes up`, or `down`.

It has a real node if the machine meets the requirements, else the pocket node, whose pods are processes.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from harness.kubernetes import binaries
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.node import keeping, requirement
from harness.kubernetes.node.__main__ import prepare
from harness.kubernetes.operator_process import WORKER

PID_FILE = binaries.directory().parent / "cluster.pid"
IMAGE = "penstock/worker:dev"


def up() -> int:
    if _running() is not None:
        sys.exit("a cluster is up already: make cluster-down ends it")
    binaries.build(*binaries.OF_A_CLUSTER)
    PID_FILE.write_text(str(os.getpid()))
    try:
        if why := requirement.missing():
            _print(f"A pocket node only, for real pods this machine will not do: {why}")
            asyncio.run(_pocket())
            return 0
        return keeping.up(prepare())
    finally:
        PID_FILE.unlink()


async def _pocket() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    cluster = Cluster()
    try:
        await cluster.start()
        node = await cluster.add_node()
        await node.push(IMAGE, WORKER)
        _print(f"""
  export KUBECONFIG={cluster.plane.kubeconfig()}
  export PATH={binaries.directory()}:$PATH
  kubectl get nodes

It has the CRD of ModelRoute, and a node that runs the image {IMAGE} as a process. Ctrl-C ends it.""")
        await stop.wait()
    finally:
        cluster.end()


def down() -> None:
    if (pid := _running()) is None:
        _print("no cluster is up")
    else:
        os.kill(pid, signal.SIGTERM)


def _running() -> int | None:
    try:
        pid = int(PID_FILE.read_text())
        # The number may be another process's by now.
        return pid if "harness.kubernetes" in Path(f"/proc/{pid}/cmdline").read_text() else None
    except FileNotFoundError:
        return None


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for the person at the terminal


if __name__ == "__main__":
    if sys.argv[1:] == ["up"]:
        sys.exit(up())
    else:
        down()
