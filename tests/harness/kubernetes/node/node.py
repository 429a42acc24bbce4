"""A cluster of one real node: control plane, containerd, kubelet, kube-proxy, DNS and firewall as processes of the run.

    node = Node(run, images.store)
    await node.start()
    node.kubelet.process.kill(); node.kubelet.start()
    node.end()

It has to be within the namespaces of `namespace.py`: the addresses are always the same, and its mounts stay in there.
"""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

from harness.kubernetes.api import Api
from harness.kubernetes.control_plane import IDENTITIES, ControlPlane
from harness.kubernetes.node import network, volumes
from harness.kubernetes.node.container_runtime import ContainerRuntime
from harness.kubernetes.node.images import Store
from harness.kubernetes.node.kubelet import NAME, Kubelet
from harness.kubernetes.node.run import Run
from harness.kubernetes.node.services import Services
from harness.kubernetes.node.stopwatch import print_line, step
from harness.processes import Process

OWN_IDENTITIES = {
    **{name: IDENTITIES[name] for name in ("admin", "controller-manager", "scheduler")},
    "kubelet": (f"system:node:{NAME}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", ""),
    **{name: (name, "system:masters") for name in ("coredns", "kube-router")},
}


class Node:
    def __init__(self, run: Run, store: Store) -> None:
        self._directory = run.path
        self._store = store
        directory = run.path / "plane"
        directory.mkdir(mode=0o700)
        self.runtime = ContainerRuntime(run.path)
        self.kubelet = Kubelet(run.path / "kubelet", directory / "kubelet.kubeconfig", run.name)
        self.plane = ControlPlane(
            directory,
            address=network.ADDRESS,
            port=network.API_SERVER_PORT,
            identities=OWN_IDENTITIES,
            api_server_flags=(
                f"--kubelet-client-certificate={self.kubelet.certificate}",
                f"--kubelet-client-key={self.kubelet.key}",
                "--kubelet-preferred-address-types=InternalIP",
            ),
        )
        self.services = Services(run.path)
        self.enforces_policies = False

    async def start(self) -> None:
        """Returns when pods run, and names and addresses lead to them."""
        with step("start a control plane and a node"):
            self.kubelet.make_certificate()
            await asyncio.gather(self._start_runtime(), self.plane.start([]))
            self.kubelet.start()
            identity = self.plane.kubeconfig
            self.services.start(proxy=identity("kube-proxy"), names=identity("coredns"))
            await self.plane.kubectl().apply(*volumes.make(self._directory / "volumes"))
            async with self.api() as api:
                await self.kubelet.ready(api)
            failure = await self.services.enforce_policies(identity("kube-router"))
        self.enforces_policies = not failure
        if failure:
            print_line(f"NetworkPolicies are not enforced: {failure}")

    def end(self) -> None:
        """Its processes; pods go with the namespaces."""
        for process in self.processes():
            process.kill()

    def api(self) -> Api:
        """As admin, of the running loop; close it."""
        trusted = ssl.create_default_context(cafile=str(self.plane.certificate))
        return Api(self.plane.url, token=self.plane.tokens["admin"], trusted=trusted)

    def processes(self) -> Iterator[Process]:
        for part in (self.kubelet, self.runtime):
            if hasattr(part, "process"):
                yield part.process
        yield from self.services.processes
        yield from self.plane.processes.values()

    def complaints(self) -> str:
        """The ends of its processes' logs."""
        return "\n".join(f"--- {process.name}\n{process.log()[-3000:]}" for process in self.processes())

    @property
    def pod_logs(self) -> Path:
        return self._directory / "kubelet" / "pod-logs"

    async def _start_runtime(self) -> None:
        await asyncio.to_thread(self._store.copy, self.runtime.root)
        await self.runtime.start()
