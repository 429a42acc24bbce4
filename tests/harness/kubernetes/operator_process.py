"""The operator as a process with its own ServiceAccount and the chart's rules, for tests.

operator = await operators.start()                # ready: it has seen what there is
second = await operators.start(PENSTOCK_…="…")    # a replica, same account and lease
operator.process.kill()                           # or terminate(), signal(), logged(), events(), log()
"""

import sys
from pathlib import Path

import httpx
from harness.kubernetes.api import Api
from harness.kubernetes.audit import Write
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.pod_image import Image
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until

ACCOUNT = "penstock-operator"
READY_S = 30.0
WORKER = Image({"penstock": [str(Path(sys.executable).parent / "penstock")]}, env={"PENSTOCK_PROBE_HOST": "{pod_ip}"})
"""The worker's image: our own command, with its probes at the pod's address."""


class OperatorProcess:
    def __init__(self, process: Process, probes: httpx.AsyncClient) -> None:
        self.process = process
        self._probes = probes

    async def get(self, path: str) -> httpx.Response:
        """`/livez`, `/readyz` or `/metrics`. Raises `httpx.TransportError` while nothing listens."""
        return await self._probes.get(path)

    @property
    def address(self) -> str:
        """Host and port of the probes, which Prometheus scrapes, too."""
        return self._probes.base_url.netloc.decode()

    async def metrics(self) -> str:
        return (await self.get("/metrics")).text

    async def ready(self) -> None:
        """Wait until it logs that its caches are filled."""

        async def is_ready() -> bool:
            if not self.process.alive:
                raise AssertionError(f"the operator has exited with {self.process.exit_code}:\n{self.process.log()}")
            try:
                return (await self.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(is_ready, "the operator is ready", timeout_s=READY_S)

    async def close(self) -> None:
        if self.process.alive:
            self.process.kill()
        await self._probes.aclose()


class Operators:
    """The replicas of one operator for one namespace; the caller closes it."""

    def __init__(
        self, cluster: Cluster, api: Api, namespace: str, nats_url: str, worker_image: str, directory: Path
    ) -> None:
        self._cluster, self._api = cluster, api
        self._namespace, self._nats_url, self._worker_image = namespace, nats_url, worker_image
        self._directory = directory
        self._account_made = False
        self.started: list[OperatorProcess] = []

    @property
    def user(self) -> str:
        """As the audit log names it."""
        return f"system:serviceaccount:{self._namespace}:{ACCOUNT}"

    def writes(self, since: int = 0) -> list[Write]:
        """Writes of the operator, all replicas together; `since` is of `cluster.plane.audit_log.mark()`."""
        return self._cluster.plane.audit_log.writes(user=self.user, since=since)

    async def start(self, *, server: str | None = None, ready: bool = True, **env: str) -> OperatorProcess:
        """Start a replica. `server` is another way to the API server, a `Link`'s; `env` wins over ours."""
        if not self._account_made:
            await self._cluster.operator_account(self._api, self._namespace, ACCOUNT)
            self._account_made = True
        config = await self._cluster.token_kubeconfig(self._api, self._namespace, ACCOUNT, server=server)
        name, port = f"operator-{len(self.started) + 1}", free_port()
        process = Process(
            name,
            [sys.executable, "-m", "penstock_operator"],
            self._directory / f"{name}.log",
            {
                "KUBECONFIG": str(config),
                # Of a kubeconfig the library makes files, which one that is killed leaves behind.
                "TMPDIR": str(self._directory),
                "PENSTOCK_NAMESPACES": self._namespace,
                "PENSTOCK_LEASE_NAMESPACE": self._namespace,
                "PENSTOCK_IDENTITY": name,
                "PENSTOCK_NATS_URL": self._nats_url,
                "PENSTOCK_WORKER_IMAGE": self._worker_image,
                "PENSTOCK_PROBE_PORT": str(port),
                **env,
            },
            leashed=True,
        )
        probes = plain_client(f"http://127.0.0.1:{port}")
        operator = OperatorProcess(process, probes)
        self.started.append(operator)
        if ready:
            await operator.ready()
        return operator

    async def close(self) -> None:
        for operator in self.started:
            await operator.close()

    def logs(self) -> str:
        """The logs of the replicas."""
        processes = [operator.process for operator in self.started]
        return "\n".join(f"--- {process.name}\n{process.log()}" for process in processes)
