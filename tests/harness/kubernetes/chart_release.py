"""The chart in a namespace of the pocket node: Helm, the images that its pods name, and ways to the running gateway.

release = await Release.prepare(cluster, kubelet, api, namespace, directory)
await release.install(gateway={"replicas": 1})
async with await release.client() as client: …
"""

import base64
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
from harness.kubernetes import in_pod
from harness.kubernetes.api import PODS, SECRETS, Api, Manifest
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.helm import CHART, Helm
from harness.kubernetes.in_pod import Surroundings
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.pod_image import Image
from harness.plain_client import plain_client

from penstock_local.process import nats_server

PENSTOCK = Path(sys.executable).parent / "penstock"


class Release:
    """A release `name` that is not installed yet."""

    def __init__(self, cluster: Cluster, kubelet: Kubelet, api: Api, namespace: str, directory: Path, name: str):
        self.namespace, self.name = namespace, name
        self.helm = Helm(directory, cluster.plane.kubeconfig())
        self._cluster, self._kubelet, self._api = cluster, kubelet, api
        self._directory = directory
        self._broker = f"{_own_address()}:4222"

    @classmethod
    async def prepare(
        cls, cluster: Cluster, kubelet: Kubelet, api: Api, namespace: str, directory: Path, name: str = "penstock"
    ) -> "Release":
        """Push the images that `values` name. Their pods find the broker by the chart's name for it."""
        release = cls(cluster, kubelet, api, namespace, directory, name)
        release._announce({f"{name}-nats.{namespace}.svc:4222": release._broker})
        launcher = [sys.executable, in_pod.__file__, str(release._surroundings)]
        env = {"POD_IP": "{pod_ip}", "POD_ROOT": "{root}"}
        await kubelet.push(f"test/penstock:{namespace}", Image({"penstock": [*launcher, str(PENSTOCK)]}, env=env))
        server = str(nats_server.binary())
        await kubelet.push(f"test/nats:{namespace}", Image({"nats-server": [*launcher, server]}, env=env))
        return release

    def values(self, **given: Any) -> dict[str, Any]:
        """The chart's own but for the images, and for the definition, which the cluster has."""
        return {
            "image": {"repository": "test/penstock", "tag": self.namespace},
            "crds": {"enabled": False},
            **given,
            "nats": {"image": {"repository": "test/nats", "tag": self.namespace}, **given.get("nats", {})},
        }

    async def install(self, *arguments: str, **values: Any) -> str:
        """`helm install --wait`; returns when all objects are ready."""
        command = ["install", self.name, str(CHART), "--wait", *arguments]
        logged = await self.helm(*command, namespace=self.namespace, values=self.values(**values))
        await self.find_gateway()
        return logged

    async def upgrade(self, *arguments: str, **values: Any) -> str:
        command = ["upgrade", self.name, str(CHART), "--wait", *arguments]
        logged = await self.helm(*command, namespace=self.namespace, values=self.values(**values))
        await self.find_gateway()
        return logged

    async def pods(self, component: str = "") -> list[Manifest]:
        """Of the release, without those that are going."""
        selector = f"app.kubernetes.io/instance={self.name}"
        if component:
            selector += f",app.kubernetes.io/component={component}"
        pods = await self._api.list(PODS.at(self.namespace), labelSelector=selector)
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    async def client(self) -> httpx.AsyncClient:
        """To one of its gateways, with the first key; close it."""
        return await self._client(8080, await self.secret("first-key"))

    async def admin(self) -> httpx.AsyncClient:
        """To the admin API of one of them, with its token; close it."""
        return await self._client(8081, await self.secret("admin-token"))

    async def secret(self, key: str, name: str = "auth") -> str:
        """A generated Secret value: `first-key` or `admin-token`; or one of `nats-keys`, the broker's."""
        made = await self._api.get(SECRETS.at(self.namespace, f"{self.name}-{name}"))
        return base64.b64decode(made["data"][key]).decode()

    async def _client(self, port: int, bearer: str) -> httpx.AsyncClient:
        gateway = (await self.pods("gateway"))[0]["status"]["podIP"]
        return plain_client(f"http://{gateway}:{port}", headers={"authorization": f"Bearer {bearer}"}, timeout=60)

    @property
    def broker(self) -> str:
        """The broker's URL as this machine reaches it."""
        return f"nats://{self._broker}"

    @property
    def _surroundings(self) -> Path:
        return self._directory / "surroundings.json"

    async def find_gateway(self) -> None:
        """Set the endpoints of the gateway's Service."""
        address = (await self.pods("gateway"))[0]["status"]["podIP"]
        self._announce(
            {
                f"{self.name}-nats.{self.namespace}.svc:4222": self._broker,
                f"{self.name}-gateway.{self.namespace}.svc:80": f"{address}:8080",
            }
        )

    def _announce(self, services: dict[str, str]) -> None:
        around = Surroundings(services=services, server=self._cluster.plane.url, data=str(self._directory))
        self._surroundings.write_bytes(msgspec.json.encode(around))


def _own_address() -> str:
    """A loopback address whose port 4222 is free, outside of the pods' range: the Service's."""
    while True:
        address = f"127.{secrets.randbelow(40) + 20}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
        with socket.socket() as probe:
            if probe.connect_ex((address, 4222)) != 0:
                return address
