"""The processes and routes at which alerts are tested, and the requests that keep a fault going."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import yaml
from harness.gateway import Gateway
from harness.kubernetes.api import NAMESPACES, PODS, ROLE_BINDINGS, ROLES, ROUTES, Api
from harness.kubernetes.cluster import OPERATOR_RULES
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.model_routes import model_route, served
from harness.kubernetes.operator_process import ACCOUNT, OperatorProcess, Operators
from harness.nats_server import NatsServer
from nats.js import JetStreamContext

from penstock_broker.connection import Connection

JOB = asyncio.Task[None]


class AlertScene:
    """Processes, routes and the requests that keep a fault going."""

    def __init__(self, api: Api, kubelet: Kubelet, namespace: str, nats: NatsServer, operators: Operators) -> None:
        self.api, self.kubelet, self.namespace, self.nats, self.operators = api, kubelet, namespace, nats, operators
        self.gateway: Gateway
        self.operator: OperatorProcess
        self.second = f"{namespace}-second"
        """A namespace in which the operator's rights are taken away."""
        self.environment: dict[str, str] = {}
        """The operator's variables."""
        self._jobs: dict[str, list[JOB]] = {}

    async def create(self, name: str, **spec: Any) -> None:
        await self.api.create(ROUTES.at(self.namespace), model_route(name, models=(name,), **spec))

    async def serve(self, name: str, **spec: Any) -> None:
        await self.create(name, **spec)
        await self.api.until(ROUTES.at(self.namespace, name), served, f"{name} is served")
        await self.gateway.has_model(name)

    async def change(self, name: str, **spec: Any) -> None:
        await self.api.patch(ROUTES.at(self.namespace, name), {"spec": spec})

    async def remove(self, name: str) -> None:
        await self.stop(name)
        await self.api.delete(ROUTES.at(self.namespace, name))

    def keep(self, name: str, work: Callable[[], Awaitable[Any]], *, pause_s: float = 0.2, count: int = 1) -> None:
        """Repeat `work` until `stop`."""

        async def repeat() -> None:
            while True:
                with contextlib.suppress(OSError, RuntimeError):
                    await work()
                await asyncio.sleep(pause_s)

        self._jobs.setdefault(name, []).extend(asyncio.create_task(repeat()) for _ in range(count))

    async def stop(self, name: str) -> None:
        jobs = self._jobs.pop(name, [])
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    async def stop_all(self) -> None:
        for name in list(self._jobs):
            await self.stop(name)

    async def worker(self, route: str) -> str:
        """Host and port at which Prometheus scrapes the route's worker."""
        pods = await self.api.list(PODS.at(self.namespace), labelSelector=f"penstock.dev/route={route}")
        return f"{pods[0]['status']['podIP']}:8081"

    async def kill_workers(self, route: str) -> None:
        for pod in await self.kubelet.pods(self.namespace):
            if pod.name.startswith(f"{route}-worker"):
                os.kill(pod.pid, signal.SIGKILL)

    async def make_second_namespace(self) -> None:
        await self.api.create(NAMESPACES.at(), {"metadata": {"name": self.second}})
        rules = yaml.safe_load(OPERATOR_RULES.read_text("utf-8"))
        await self.api.create(ROLES.at(self.second), {"metadata": {"name": ACCOUNT}, "rules": rules})
        await self.grant()

    async def remove_second_namespace(self) -> None:
        await self.api.delete(NAMESPACES.at(name=self.second))

    async def grant(self) -> None:
        """Give the operator its rights in the second namespace."""
        binding = {
            "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace}],
        }
        await self.api.create(ROLE_BINDINGS.at(self.second), binding)

    async def revoke(self) -> None:
        await self.api.delete(ROLE_BINDINGS.at(self.second, ACCOUNT))

    @contextlib.asynccontextmanager
    async def jetstream(self) -> AsyncIterator[JetStreamContext]:
        """The broker's, as an administrator."""
        connection = Connection(self.nats.url, "test", inbox_prefix="_INBOX_test")
        await connection.start()
        try:
            yield connection.client.jetstream()
        finally:
            await connection.close()

    async def restart_nats(self) -> None:
        self.nats.start()
        await self.nats.listening()
