"""The chart in a namespace that admits only restricted pods, by the real Helm, with the images that the cluster has.

release = Installation(cluster, "penstock-test")
await release.install(models={"enabled": True})
async with await release.client() as client: …
"""

import base64
import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from harness.kubernetes.api import NAMESPACES, PODS, SECRETS, Api, ApiError, Manifest
from harness.kubernetes.helm import CHART, Helm
from harness.kubernetes.node.cluster import RealCluster
from harness.plain_client import plain_client

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
INSTALL_S = 180.0
GONE_S = 20.0
SMALL = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
"""Small enough that a node of two cores runs all of it, and the workers of a test."""


class Installation:
    """A release `name`; each method goes to the cluster anew, so that any loop may use it."""

    def __init__(self, cluster: RealCluster, namespace: str, name: str = "penstock") -> None:
        self.cluster = cluster
        self.namespace, self.name = namespace, name
        self.helm = Helm(cluster.directory, cluster.kubeconfig)

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The chart's own but for images and requests."""
        small = {part: {"resources": SMALL} for part in ("gateway", "operator", "nats", "models")}
        return merged(merged(small, self.own_values({})), given)

    def own_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The chart's own but for images."""
        return merged(self.cluster.images.values(), given)

    async def make_namespace(self) -> None:
        """Admits only restricted pods."""
        async with self.cluster.api() as api:
            with contextlib.suppress(ApiError):  # it is there already
                await api.create(NAMESPACES.at(), {"metadata": {"name": self.namespace, "labels": RESTRICTED}})

    async def install(self, *arguments: str, **values: Any) -> str:
        """Install or upgrade; returns when everything is ready."""
        await self.make_namespace()
        wait = ("--wait", f"--timeout={INSTALL_S:.0f}s", *arguments)
        command = ("upgrade", "--install", self.name, str(CHART), *wait)
        return await self.helm(*command, namespace=self.namespace, values=self.values(values), timeout_s=INSTALL_S + 10)

    async def uninstall(self) -> None:
        """And its namespace; definition and nothing else stays. A release that was never made is no error.

        Waits for `GONE_S` until the namespace is gone: nothing can be installed into one that is being deleted.
        """
        await self.helm("uninstall", self.name, "--wait", "--ignore-not-found", namespace=self.namespace)
        async with self.cluster.api() as api:
            await api.delete(NAMESPACES.at(name=self.namespace))
            # Its controller may try again only after minutes on a busy machine: no test depends on it.
            with contextlib.suppress(TimeoutError):
                await api.gone(NAMESPACES.at(name=self.namespace), timeout_s=GONE_S)

    async def pods(self, api: Api, component: str = "") -> list[Manifest]:
        """Pods of the release, without those that are being deleted; for workers see `workers`."""
        selector = f"app.kubernetes.io/instance={self.name}"
        if component:
            selector += f",app.kubernetes.io/component={component}"
        return await self._living(api, selector)

    async def workers(self, api: Api, route: str) -> list[Manifest]:
        return await self._living(api, f"penstock.dev/route={route}")

    async def gateway(self) -> str:
        """The gateway's Service, as `http://host:port`."""
        return "http://" + await self.cluster.reach(self.namespace, f"{self.name}-gateway", 80)

    async def client(self, **options: Any) -> httpx.AsyncClient:
        """To the gateway's Service with the first key; close it."""
        return _client(await self.gateway(), await self.secret("first-key"), **options)

    async def admin(self) -> httpx.AsyncClient:
        """To the admin API of one of the gateways, with its token; close it. Only from within the cluster."""
        async with self.cluster.api() as api:
            address = (await self.pods(api, "gateway"))[0]["status"]["podIP"]
        return _client(f"http://{address}:8081", await self.secret("admin-token"))

    async def secret(self, key: str) -> str:
        """A value that the chart generated: `first-key` or `admin-token`."""
        async with self.cluster.api() as api:
            made = await api.get(SECRETS.at(self.namespace, f"{self.name}-auth"))
        return base64.b64decode(made["data"][key]).decode()

    async def kubectl(self, *arguments: str, **options: Any) -> str:
        """In the release's namespace."""
        return await self.cluster.kubectl("--namespace", self.namespace, *arguments, **options)

    async def apply(self, *files: Path) -> None:
        """As in the documentation: `kubectl apply -f`."""
        for file in files:
            await self.kubectl("apply", "-f", str(file))

    def report(self) -> str:
        """The report of a failed test: pods, events, and the ends of all logs."""
        logged = []
        for command in (
            ("get", "pods,modelroutes", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "--all-containers", "--prefix", "--tail=60", "--selector=app.kubernetes.io/part-of=penstock"),
        ):
            whole = self.cluster.kubectl.command("--namespace", self.namespace, *command)
            done = subprocess.run(whole, capture_output=True, text=True, check=False, timeout=20)
            logged.append(done.stdout + done.stderr)
        return "\n".join(logged)

    async def _living(self, api: Api, selector: str) -> list[Manifest]:
        pods = await api.list(PODS.at(self.namespace), labelSelector=selector)
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm merges values: mappings by key, anything else as a whole."""
    both = {key: merged(under[key], over[key]) for key in under.keys() & over.keys() if _are_mappings(under, over, key)}
    return {**under, **over, **both}


def _are_mappings(under: Mapping[str, Any], over: Mapping[str, Any], key: str) -> bool:
    return isinstance(under[key], Mapping) and isinstance(over[key], Mapping)


def _client(url: str, bearer: str, **options: Any) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {bearer}"}
    return plain_client(url, headers=headers, **{"timeout": 60, **options})
