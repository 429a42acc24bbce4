"""Where faults are injected: namespaces, a broker and an operator of their own, on the run's cluster."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from harness.kubernetes.api import NAMESPACES, PODS, ROLE_BINDINGS, ROLES, Api
from harness.kubernetes.cluster import OPERATOR_RULES, Cluster
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.operator_process import ACCOUNT, WORKER, OperatorProcess, Operators
from harness.kubernetes.pod_image import Image
from harness.link import Link
from harness.nats_server import NatsServer
from harness.processes import Process

RULES: Sequence[Mapping[str, Any]] = yaml.safe_load(OPERATOR_RULES.read_text())
RIGHTS = "penstock-operator-elsewhere"


class Site:
    """`home` is the operator's own namespace, `extra` are further ones that it serves, each for one fault."""

    def __init__(
        self, cluster: Cluster, api: Api, kubelet: Kubelet, nats: NatsServer, directory: Path, extra: Iterable[str]
    ) -> None:
        self.cluster, self.api, self.kubelet, self.nats = cluster, api, kubelet, nats
        self.directory = directory
        suffix = secrets.token_hex(3)
        self.home = f"faults-{suffix}"
        self.extra = {name: f"fault-{name}-{suffix}" for name in extra}
        self.image, self.hollow_image = f"test/worker:{suffix}", f"test/hollow:{suffix}"
        self.operators = Operators(cluster, api, self.home, nats.url, self.image, directory)
        self.processes: list[Process] = []
        """Further ones, that end with the site."""
        self.operator: OperatorProcess
        self.link: Link
        """The operator's way to the API server."""
        self.broker_link: Link
        """Its way to the broker; the workers have their own."""

    @property
    def namespaces(self) -> list[str]:
        return [self.home, *self.extra.values()]

    async def start_operator(self, **env: str) -> None:
        """Start it (again); a replica that ran goes by another name, unless `env` has the same pod's name."""
        ways = {"PENSTOCK_NATS_URL": self.broker_link.url, "PENSTOCK_WORKER_NATS_URL": self.nats.url}
        env = {"PENSTOCK_NAMESPACES": ",".join(self.namespaces), **ways, **env}
        self.operator = await self.operators.start(server=f"https://127.0.0.1:{self.link.port}", **env)

    async def grant(self, namespace: str, *, without: str = "") -> None:
        """Give the operator the shipped rights in an extra namespace, but those on one resource."""
        rules = [rule for rule in RULES if without not in rule["resources"]]
        await self.api.patch(ROLES.at(namespace, RIGHTS), {"rules": rules})

    async def _make_namespace(self, name: str) -> None:
        await self.api.create(NAMESPACES.at(), {"metadata": {"name": name}})
        if name == self.home:
            return
        group = "rbac.authorization.k8s.io"
        await self.api.create(ROLES.at(name), {"metadata": {"name": RIGHTS}, "rules": RULES})
        binding = {
            "metadata": {"name": RIGHTS},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": RIGHTS},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.home}],
        }
        await self.api.create(ROLE_BINDINGS.at(name), binding)

    async def _start(self) -> None:
        await self.nats.listening()
        await self.kubelet.push(self.image, WORKER)
        await self.kubelet.push(self.hollow_image, Image(hollow=True))
        for name in self.namespaces:
            await self._make_namespace(name)
        self.link = await Link.start(self.cluster.plane.port)
        self.broker_link = await Link.start(self.nats.port)
        await self.start_operator()

    async def _end(self) -> None:
        await self.operators.close()
        for name in self.namespaces:
            await self.api.delete(NAMESPACES.at(name=name))
            await self.api.delete(PODS.at(name), {"gracePeriodSeconds": 0})
        for process in [*self.processes, self.nats.process]:
            await process.end()
        await self.link.close()
        await self.broker_link.close()


@contextlib.asynccontextmanager
async def site(
    cluster: Cluster, api: Api, kubelet: Kubelet, directory: Path, extra: Iterable[str] = ()
) -> AsyncIterator[Site]:
    """With its operator ready."""
    made = Site(cluster, api, kubelet, NatsServer(directory), directory, extra)
    try:
        await made._start()
        yield made
    finally:
        await made._end()
