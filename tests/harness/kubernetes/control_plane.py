"""Kubernetes without a node: etcd, API server, controller manager and scheduler as real processes on loopback.

    plane = ControlPlane(directory)
    await plane.start(crds)
    ... plane.kubeconfig ...
    plane.api_server.stop(); await plane.api_server_back()
    plane.end()

It needs no root, writes nothing outside `directory`, and its processes end with ours. The API
server makes its own certificate, and its key signs the ServiceAccount tokens; all other clients send a token that only
this run has. So there is no public key infrastructure to set up and none to keep.
"""

import secrets
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
from harness.kubernetes import binaries, kubeconfig
from harness.kubernetes.audit import POLICY, AuditLog
from harness.kubernetes.kubectl import Kubectl, KubectlError
from harness.processes import Process, free_port, until
from msgspec import Struct

START_S = 60.0
"""Alone it takes six seconds; the machine may be busy."""

LOOPBACK = "127.0.0.1"

IDENTITIES: Mapping[str, tuple[str, str]] = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": ("system:node:pocket", "system:masters"),
}
"""Kubeconfig → user and group. The kubelet has every right, as the harness also registers its node with it."""


class PlaneFacts(Struct, frozen=True, kw_only=True):
    """Parameters with which another process of this machine uses it; tokens by the names of `IDENTITIES`."""

    port: int
    tokens: Mapping[str, str]


class ControlPlane:
    """Ours from `start` to `end`; with `joined` it is another process's, to use and not to stop.

    A real node reaches it at an `address` that is not loopback, on the usual `port`, and has
    `identities` and `api_server_flags` of its own.
    """

    def __init__(
        self,
        directory: Path,
        joined: "PlaneFacts | None" = None,
        *,
        address: str = LOOPBACK,
        port: int | None = None,
        identities: Mapping[str, tuple[str, str]] = IDENTITIES,
        api_server_flags: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.port = port or (free_port() if joined is None else joined.port)
        self.url = f"https://{address}:{self.port}"
        self._address = address
        self._identities = identities
        self._flags = api_server_flags
        self.certificate = directory / "pki" / "apiserver.crt"
        self.audit_log = AuditLog(directory / "audit.log")
        made = {name: secrets.token_hex(16) for name in identities}
        self.tokens: Mapping[str, str] = made if joined is None else joined.tokens
        self.processes: dict[str, Process] = {}
        self._etcd_port = free_port()

    async def start(self, crds: Sequence[Mapping[str, Any]]) -> None:
        """Returns when pods would be scheduled. `crds` are there before the garbage collector is.

        It looks for new resources only every 30 s, and until then an owner that is one of them owns nothing.
        """
        self._write_files()
        self._start_etcd()
        self.start_api_server()
        # The certificate is the first thing that the API server makes.
        await until(self.certificate.exists, "the API server has its certificate", timeout_s=START_S)
        cluster = kubeconfig.cluster(self.url, self.certificate)
        for name, token in self.tokens.items():
            kubeconfig.write(self.kubeconfig(name), cluster, token)
        await self.api_server_ready()
        if crds:
            await self.kubectl().install(*crds)
        self._start_controllers()
        await self._default_account()

    def end(self) -> None:
        """At once: what they would tidy up goes with the directory."""
        for process in self.processes.values():
            process.kill()

    def kubeconfig(self, identity: str = "admin") -> Path:
        return self.directory / f"{identity}.kubeconfig"

    def kubectl(self) -> Kubectl:
        return Kubectl(binaries.binary("kubectl"), self.kubeconfig())

    @property
    def facts(self) -> PlaneFacts:
        return PlaneFacts(port=self.port, tokens=self.tokens)

    @property
    def api_server(self) -> Process:
        """To stop it: of a plane that is ours."""
        return self.processes["kube-apiserver"]

    def start_api_server(self) -> None:
        """Start it (again) on the same port, over the same state."""
        directory = self.directory
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--bind-address={self._address}",
            f"--secure-port={self.port}",
            f"--advertise-address={self._address}",
            # Loopback is no address for the `kubernetes` Service; no process there uses it.
            *(["--endpoint-reconciler-type=none"] if self._address == LOOPBACK else []),
            f"--cert-dir={self.certificate.parent}",
            f"--token-auth-file={directory / 'tokens.csv'}",
            f"--service-account-key-file={self.certificate.with_suffix('.key')}",
            f"--service-account-signing-key-file={self.certificate.with_suffix('.key')}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            f"--audit-policy-file={directory / 'audit-policy.json'}",
            f"--audit-log-path={directory / 'audit.log'}",
            "--profiling=false",
            *self._flags,
        )

    async def api_server_ready(self) -> None:
        """Wait until `/readyz` is 200, as after `start_api_server`."""
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        bearer = {"Authorization": f"Bearer {self.tokens['admin']}"}
        async with httpx.AsyncClient(base_url=self.url, verify=trusted, headers=bearer, trust_env=False) as client:

            async def ready() -> bool:
                self._check("kube-apiserver")
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(ready, "the API server is ready", timeout_s=START_S)

    def _write_files(self) -> None:
        (self.directory / "audit-policy.json").write_bytes(msgspec.json.encode(POLICY))
        tokens = self.directory / "tokens.csv"
        tokens.touch(mode=0o600)
        lines = (f'{self.tokens[name]},{user},{user},"{group}"' for name, (user, group) in self._identities.items())
        tokens.write_text("\n".join(lines) + "\n")

    def _start_etcd(self) -> None:
        clients, peers = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        self._spawn(
            "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
        )

    def _start_controllers(self) -> None:
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig('controller-manager')}",
            f"--service-account-private-key-file={self.certificate.with_suffix('.key')}",
            f"--root-ca-file={self.certificate}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            f"--secure-port={free_port()}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.directory / 'controller-manager'}",
        )
        self._spawn(
            "kube-scheduler",
            f"--kubeconfig={self.kubeconfig('scheduler')}",
            "--leader-elect=false",
            f"--secure-port={free_port()}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.directory / 'scheduler'}",
        )

    async def _default_account(self) -> None:
        """No pod is admitted before its namespace has its ServiceAccount: the controllers' first sign of life."""
        wait = ("wait", "--for=create", "serviceaccount/default", "-n", "default", f"--timeout={START_S:.0f}s")
        try:
            await self.kubectl()(*wait, timeout_s=START_S + 5)
        except KubectlError:
            self._check("kube-controller-manager")
            raise

    def _spawn(self, name: str, *flags: str) -> None:
        command = [str(binaries.binary(name)), *flags]
        self.processes[name] = Process(
            name, command, self.directory / f"{name}.log", binaries.ENVIRONMENT, leashed=True
        )

    def _check(self, name: str) -> None:
        process = self.processes[name]
        if not process.alive:
            raise AssertionError(f"{name} has exited with {process.exit_code}:\n{process.log()[-4000:]}")
