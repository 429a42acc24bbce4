"""A real node's namespaces: however they end, the machine is afterwards as before."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from harness.kubernetes.node import requirement
from harness.kubernetes.node.leftovers import Leftovers
from harness.kubernetes.node.run import Run
from harness.processes import until

TESTS = Path(__file__).parents[1]
# As a node does: a mount for containers, a pinned namespace, firewall rules, a cgroup with a process, and
# children without a waiting parent.
BUSY = """
mkdir -p /run/netns /var/lib/cni
touch /var/lib/cni/result
ip netns add pod
nft add table ip kube-proxy
mkdir $CGROUP/kubepods
setsid sh -c 'echo $$ > $CGROUP/kubepods/cgroup.procs; touch $PENSTOCK_NODE_RUN/busy; exec sleep 1000' &
exec sleep 1000
"""
HOST = """
import os, signal, sys
from harness.kubernetes.node.namespace import Inside
from harness.kubernetes.node.run import Run, hierarchies
# A shell without job control starts its background commands, and so their children, with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
run = Run.begin()
print(run.path, flush=True)
try:
    root = next((path for path in hierarchies() if path.name == "pids"), hierarchies()[0])
    os.environ["CGROUP"] = str(root / run.name)
    inside = Inside(run, ["sh", "-c", sys.argv[1]])
    print(inside.pid, flush=True)
    inside.wait()
finally:
    run.end()
"""

pytestmark = pytest.mark.skipif(requirement.missing() != "", reason=f"no node here: {requirement.missing()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
async def test_harness_node_leaves_nothing_behind(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOST,
        BUSY,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        run = Run(Path((await process.stdout.readline()).decode().strip()))
        leftovers = Leftovers(run, int(await process.stdout.readline()))
        await until((run.path / "busy").exists, "the namespaces are in use")
        found = "\n".join(leftovers.found())
        assert all(word in found for word in ("process", "cgroup", str(run.path)))

        # The terminal's Ctrl-C reaches the process group, any other signal one process.
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        await process.wait()
        await until(lambda: not list(leftovers.found()), "nothing is left of the node", timeout_s=30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
