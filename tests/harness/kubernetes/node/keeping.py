"""A node that stays up for work by hand, and for tests again and again: `make cluster`."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from harness.kubernetes import binaries
from harness.kubernetes.node import namespace, network
from harness.kubernetes.node.cluster import GIVEN_IMAGES, KEEP
from harness.kubernetes.node.images import Store
from harness.kubernetes.node.namespace import RUN, Inside
from harness.kubernetes.node.node import Node
from harness.kubernetes.node.run import Run, home
from harness.kubernetes.node.stopwatch import print_line

FIRST = "first.pid"
"""File in the run's directory with the pid of the namespaces' first process, in the machine's pid namespace."""


def up(store: Store) -> int:
    """Until it is ended. The machine gets a network interface to it for as long."""
    run = Run.begin()
    try:
        (run.path / "images").write_text(store.tag)
        inside = Inside(run, [sys.executable, "-m", "harness.kubernetes.node", "serve"])
        asyncio.run(inside.has_network())
        network.lay_cable(inside.pid)
        (run.path / FIRST).write_text(str(inside.pid))
        return inside.wait()
    finally:
        network.take_up_cable()
        run.end()


def serve() -> None:
    """Within the namespaces."""
    asyncio.run(_serve())


def enter(command: Sequence[str]) -> None:
    """Become the command within the node that is up; tests find it and its images in the environment."""
    if not (kept := sorted(home().glob(f"*/{FIRST}"), key=lambda file: file.stat().st_mtime)):
        sys.exit("no node is up: make cluster")
    path = kept[-1].parent
    images = Store((path / "images").read_text()).images
    variables = {
        binaries.GIVEN: str(path / "plane" / "admin.kubeconfig"),
        **dict(zip(GIVEN_IMAGES, msgspec.structs.astuple(images), strict=True)),
        KEEP: "1",
    }
    namespace.enter(int(kept[-1].read_text()), variables, command)


async def _serve() -> None:
    run = Run(Path(os.environ[RUN]))
    store = Store((run.path / "images").read_text())
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    node = Node(run, store)
    try:
        await node.start()
        images = store.images
        print_line(f"""
  export KUBECONFIG={node.plane.kubeconfig()}
  export PATH={binaries.directory()}:{binaries.directory("helm")}:$PATH
  kubectl get nodes

It has the images {images.penstock}, {images.models} and {images.nats}.
A program within it, where names and addresses of Services lead to their pods:

  PYTHONPATH=tests .venv/bin/python -m harness.kubernetes.node enter -- .venv/bin/pytest tests/pods

Ctrl-C or `make cluster-down` ends it.""")
        await stop.wait()
    finally:
        node.end()
