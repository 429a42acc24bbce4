"""A network, mounts and processes of our own for one command: the kernel takes all of it away when the command ends.

    code = run_within(run, ["pytest", "tests/pods"])

Not `ip netns exec`: that mounts a new /sys, and a kubelet finds no cgroups in it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.kubernetes.node import network
from harness.kubernetes.node.run import Run
from harness.processes import POLL_S, until

from penstock_local.process.parent_death import parent_death_signal

RUN = "PENSTOCK_NODE_RUN"
"""For the command: the run's directory."""

UNSHARE = (
    "unshare",
    "--net",
    "--pid",
    "--fork",
    # Whatever ends unshare ends the first process of the namespace, and with that one all the others.
    "--kill-child",
    "--mount-proc",
    # The machine's own mounts may be shared ones: a mount of ours must not appear there.
    "--propagation=private",
)


class Inside:
    """The command in its namespaces, from outside. The terminal sends it Ctrl-C, like any other process."""

    def __init__(self, run: Run, command: Sequence[str]) -> None:
        first = [sys.executable, "-m", "harness.kubernetes.node", "first", *command]
        self._run = run
        self._unshare = subprocess.Popen(
            [*UNSHARE, *first],
            env={**os.environ, RUN: str(run.path)},
            pass_fds=[run.lock],
            preexec_fn=parent_death_signal(),  # noqa: PLW1509 - one thread forks, see `parent_death`
        )
        # From here on the command handles Ctrl-C, and its exit code is passed on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._unshare.kill())

    @property
    def pid(self) -> int:
        """Of the namespaces' first process."""
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        while not (found := children.read_text().split()):
            assert self._unshare.poll() is None, "unshare has ended"
            time.sleep(POLL_S)
        return int(found[0])

    async def has_network(self) -> None:
        await until((self._run.path / "network").exists, "the namespace has its network")

    def wait(self) -> int:
        return self._unshare.wait()


def first(command: Sequence[str]) -> int:
    """The namespaces' first process: prepares them, starts the command, and reaps all ended processes."""
    run = Run(Path(os.environ[RUN]))
    _prepare_mounts(run)
    network.bring_up()
    (run.path / "network").touch()
    child = os.fork()
    if child == 0:
        os.execvp(command[0], [*command])
    # The command gets it from the terminal too, and handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def enter(pid: int, variables: dict[str, str], command: Sequence[str]) -> None:
    """Become the command, within the namespaces of that process."""
    # nsenter does not keep the working directory.
    within = ["env", "-C", str(Path.cwd()), *(f"{name}={value}" for name, value in variables.items()), *command]
    os.execvp("nsenter", ["nsenter", "-t", str(pid), "--net", "--mount", "--pid", "--", *within])


def _prepare_mounts(run: Run) -> None:
    # A pod's mounts have to reach its containers.
    _mount("--make-rshared", "/")
    # What containerd, CNI plugins and kubelet write at fixed places.
    _mount("-t", "tmpfs", "tmpfs", "/run")
    for name in ("var", "work"):
        (run.path / name).mkdir()
    # Volatile: else its end waits until the whole disk is synchronised, writes of others included.
    layers = f"lowerdir=/var,upperdir={run.path / 'var'},workdir={run.path / 'work'},volatile"
    _mount("-t", "overlay", "overlay", "-o", layers, "/var")
    # Where it is a link into /run, that is empty now.
    resolv_conf = Path("/etc/resolv.conf").resolve()
    resolv_conf.parent.mkdir(parents=True, exist_ok=True)
    resolv_conf.touch()
    ours = run.path / "resolv.conf"
    ours.write_text(network.resolv_conf(f"svc.{network.DOMAIN} {network.DOMAIN}"))
    _mount("--bind", str(ours), str(resolv_conf))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)
