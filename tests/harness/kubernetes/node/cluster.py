"""A cluster with real pods, as a test uses it: our node's, or the one that a person has given.

`PENSTOCK_TEST_KUBECONFIG=/path PENSTOCK_TEST_IMAGE=repository:tag pytest tests/pods` uses that one, and
`PENSTOCK_TEST_IMAGE_MODELS` and `PENSTOCK_TEST_IMAGE_NATS` name the two other images. It must have a provisioner of
volumes, and what a test reads from Services goes through `kubectl port-forward` there.
"""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from harness.kubernetes import binaries
from harness.kubernetes.api import Api
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.node.images import Images, Store
from harness.kubernetes.node.namespace import RUN
from harness.kubernetes.node.network import DOMAIN
from harness.kubernetes.node.node import Node
from harness.kubernetes.node.run import Run
from harness.processes import Process, until

GIVEN_IMAGES = ("PENSTOCK_TEST_IMAGE", "PENSTOCK_TEST_IMAGE_MODELS", "PENSTOCK_TEST_IMAGE_NATS")
KEEP = "PENSTOCK_TEST_KEEP"
"""Set, what the tests have installed stays for the next ones."""


class RealCluster:
    """`kubectl` may do everything. Close what `api()` returns."""

    def __init__(self, directory: Path, kubeconfig: Path, images: Images, node: Node | None = None) -> None:
        self.directory = directory
        self.images = images
        self.node = node
        # A copy, so that kubectl keeps its caches in our directory and not beside the person's file.
        self.kubeconfig = directory / "kubeconfig"
        shutil.copy(kubeconfig, self.kubeconfig)
        self.kubeconfig.chmod(0o600)
        self.kubectl = Kubectl(binaries.binary("kubectl"), self.kubeconfig)
        self._processes: list[Process] = []
        self._url = ""

    async def start(self) -> None:
        # kubectl implements every kind of login in the kubeconfig.
        self._url = "http://" + await self._prints("proxy", "--port=0", pattern=r"Starting to serve on (\S+)")

    def end(self) -> None:
        for process in self._processes:
            process.kill()

    def api(self) -> Api:
        """As admin, of the running loop."""
        return Api(self._url)

    async def reach(self, namespace: str, service: str, port: int) -> str:
        """`host:port` of a Service for this process: its DNS name where the cluster's DNS is reachable."""
        name = f"{service}.{namespace}.svc.{DOMAIN}"
        try:
            await asyncio.get_running_loop().getaddrinfo(name, port)
        except socket.gaierror:
            forward = ("port-forward", "--namespace", namespace, f"service/{service}", f":{port}")
            return await self._prints(*forward, pattern=r"Forwarding from (127\S+)")
        return f"{name}:{port}"

    async def _prints(self, *arguments: str, pattern: str) -> str:
        log = self.directory / f"kubectl-{len(self._processes)}.log"
        process = Process("kubectl", self.kubectl.command(*arguments), log, leashed=True)
        self._processes.append(process)

        def logged() -> re.Match[str] | None:
            assert process.alive, process.log()
            return re.search(pattern, process.log())

        found: re.Match[str] = await until(logged, f"kubectl {' '.join(arguments)}")
        return found[1]


@contextlib.asynccontextmanager
async def cluster_at_hand() -> AsyncIterator[RealCluster]:
    """The given one, or our own from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="penstock-pods-") as directory, contextlib.ExitStack() as ending:
        if given := os.environ.get(binaries.GIVEN):
            penstock, models, nats = (os.environ.get(name, "") for name in GIVEN_IMAGES)
            assert penstock, f"{binaries.GIVEN} is given: name the image too, in {GIVEN_IMAGES[0]}"
            cluster = RealCluster(Path(directory), Path(given), Images(penstock, models, nats))
        else:
            assert RUN in os.environ, "these tests run within a node's namespaces: make test-pods"
            run = Run(Path(os.environ[RUN]))
            store = Store((run.path / "images").read_text())
            node = Node(run, store)
            ending.callback(node.end)
            await node.start()
            cluster = RealCluster(Path(directory), node.plane.kubeconfig(), store.images, node)
        ending.callback(cluster.end)
        await cluster.start()
        yield cluster
