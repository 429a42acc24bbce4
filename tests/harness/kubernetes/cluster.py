"""The cluster that the tests run on: one of our own, or the one that a person has given.

`PENSTOCK_TEST_KUBECONFIG=/path pytest tests/cluster` uses that one. Nothing is installed in it but the CRDs, and every
namespace that a test makes is removed; a test that must stop the API server, read its audit log or start pods by
itself needs our own (`cluster.plane`) and is skipped there.
"""

import os
import re
import shutil
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.kubernetes import binaries, kubeconfig
from harness.kubernetes.api import ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS, Api, Manifest
from harness.kubernetes.control_plane import ControlPlane, PlaneFacts
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.kubelet import Kubelet
from harness.processes import Process, until
from msgspec import Struct

ROOT = Path(__file__).parents[3]
CRD = ROOT / "charts" / "penstock" / "files" / "crd.yaml"
OPERATOR_RULES = ROOT / "charts" / "penstock" / "files" / "operator-rules.yaml"


class ClusterFacts(Struct, frozen=True, kw_only=True):
    """Parameters with which another process of this machine uses our cluster; `nodes`: name → directory."""

    directory: str
    plane: PlaneFacts
    nodes: Mapping[str, str]


class Cluster:
    """`admin` and `kubectl` may do everything. Close what `api()` returns."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or Path(tempfile.mkdtemp(prefix="penstock-cluster-"))
        self._given = os.environ.get(binaries.GIVEN) or None
        self._plane: ControlPlane | None = None
        self._proxy: Process | None = None
        self._nodes: list[Kubelet] = []
        self._url = ""
        self._stanza: Mapping[str, Any] = {}
        self.kubectl: Kubectl

    async def start(self) -> None:
        crds = list(yaml.safe_load_all(CRD.read_text()))
        if self._given is None:
            await self._start_own(crds)
        else:
            await self._use(Path(self._given), crds)

    @classmethod
    def joined(cls, facts: ClusterFacts) -> "Cluster":
        """One that another process has started and will end."""
        cluster = cls(Path(facts.directory))
        cluster._adopt(ControlPlane(cluster.directory, facts.plane))
        for name, directory in facts.nodes.items():
            cluster._nodes.append(Kubelet(cluster.plane, name, Path(directory)))
        return cluster

    @property
    def facts(self) -> ClusterFacts:
        nodes = {node.node: str(node.directory) for node in self._nodes}
        return ClusterFacts(directory=str(self.directory), plane=self.plane.facts, nodes=nodes)

    def end(self) -> None:
        for node in self._nodes:
            node.kill()
        if self._proxy is not None:
            self._proxy.kill()
        if self._plane is not None:
            self._plane.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def is_own(self) -> bool:
        """True if the harness started it, False if its kubeconfig was given."""
        return self._given is None

    @property
    def plane(self) -> ControlPlane:
        """The control plane, to stop, restart or count at; skips the test if it is not ours."""
        if self._plane is None:
            pytest.skip(f"needs a control plane of its own, and {binaries.GIVEN} gives another")
        return self._plane

    @property
    def kubelet(self) -> Kubelet:
        """The first node, running; skips the test if the cluster is not ours."""
        assert self.plane
        self._nodes[0].check()
        return self._nodes[0]

    def api(self) -> Api:
        """As admin, of the running loop."""
        if self._plane is None:
            return Api(self._url)
        trusted = ssl.create_default_context(cafile=str(self._plane.certificate))
        return Api(self._url, token=self._plane.tokens["admin"], trusted=trusted)

    async def add_node(self, name: str = "pocket") -> Kubelet:
        """A node that runs pods as processes, see `Kubelet`; skips the test on a cluster that was given."""
        node = Kubelet(self.plane, name)
        self._nodes.append(node)
        async with self.api() as api:
            await node.start(api)
        return node

    def pod_logs(self, namespace: str) -> str:
        """The logs of the namespace's pods on our nodes."""
        return "\n".join(node.logs(namespace) for node in self._nodes)

    async def operator_account(self, api: Api, namespace: str, name: str = "penstock-operator") -> Path:
        """A ServiceAccount with the shipped rules in this namespace and nothing else; returns its kubeconfig."""
        rules = yaml.safe_load(OPERATOR_RULES.read_text())
        await self.grant(api, namespace, name, rules)
        return await self.token_kubeconfig(api, namespace, name)

    async def grant(self, api: Api, namespace: str, name: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """ServiceAccount, Role and RoleBinding, all of this name."""
        metadata = {"name": name, "namespace": namespace}
        rbac = "rbac.authorization.k8s.io"
        role: Manifest = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
        binding: Manifest = {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        await api.create(SERVICE_ACCOUNTS.at(namespace), account)
        await api.create(ROLES.at(namespace), role)
        await api.create(ROLE_BINDINGS.at(namespace), binding)

    async def token_kubeconfig(self, api: Api, namespace: str, account: str, *, server: str | None = None) -> Path:
        """A kubeconfig with a real token of the ServiceAccount; `server` is its address, such as a `Link`'s."""
        path = SERVICE_ACCOUNTS.at(namespace, account, "token")
        granted = await api.create(path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"})
        stanza = dict(self._stanza) if server is None else {**self._stanza, "server": server}
        target = Path(tempfile.mkstemp(prefix=f"{account}-", suffix=".kubeconfig", dir=self.directory)[1])
        return kubeconfig.write(target, stanza, granted["status"]["token"], namespace)

    async def _start_own(self, crds: Sequence[Mapping[str, Any]]) -> None:
        plane = ControlPlane(self.directory)
        # Registered before it has started, so that `end` ends a start that failed.
        self._plane = plane
        await plane.start(crds)
        self._adopt(plane)

    def _adopt(self, plane: ControlPlane) -> None:
        self._plane = plane
        self.kubectl = plane.kubectl()
        self._url = plane.url
        self._stanza = kubeconfig.cluster(plane.url, plane.certificate)

    async def _use(self, given: Path, crds: Sequence[Mapping[str, Any]]) -> None:
        # A copy, so that kubectl keeps its caches in our directory and not beside the person's file.
        config = self.directory / "given.kubeconfig"
        shutil.copy(given, config)
        config.chmod(0o600)
        self.kubectl = Kubectl(binaries.binary("kubectl"), config)
        view = await self.kubectl.json("config", "view", "--raw", "--minify", "--flatten")
        self._stanza = view["clusters"][0]["cluster"]
        await self.kubectl.install(*crds)
        # kubectl implements every kind of login in the kubeconfig.
        log = self.directory / "proxy.log"
        self._proxy = Process("kubectl-proxy", self.kubectl.command("proxy", "--port=0"), log, leashed=True)
        listening = await until(lambda: re.search(r"Starting to serve on (\S+)", log.read_text()), "kubectl proxies")
        self._url = f"http://{listening[1]}"
