"""A node without containers, as a process: `python -m harness.kubernetes.pocket_kubelet FILE` (a `NodeConfig` in JSON).

It registers its node, keeps it Ready, and runs the pods that the scheduler binds to it as processes of this machine,
each with a loopback address of its own. The first container only; volumes are files in a directory, and there is no
preStop and no network policy.
Tests control it through `harness.kubernetes.kubelet`, one JSON line each way over a Unix socket.
"""

import asyncio
import contextlib
import random
import signal
import ssl
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from harness.fork_server import fork_server
from harness.kubernetes.api import LEASES, NODES, PODS, Api, ApiError, Manifest, persist
from harness.kubernetes.pocket_pod import PocketPod
from harness.kubernetes.pod_image import Image
from harness.kubernetes.pod_status import Verdict
from harness.plain_client import plain_client
from msgspec import Struct

HEARTBEAT_S = 5.0
LEASE_S = 40
LEASE_NAMESPACE = "kube-node-lease"
CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "5000", "ephemeral-storage": "1Ti"}
EVICTED = Verdict("Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi, available: 53Mi. ")


class NodeConfig(Struct, frozen=True, kw_only=True):
    """`directory` takes the pods' logs and the control socket."""

    node: str
    url: str
    token: str
    certificate: str
    directory: str


class PodFacts(Struct, frozen=True):
    """Facts of a pod that its status lacks; `pid` is None while nothing runs."""

    namespace: str
    name: str
    ip: str
    pid: int | None
    log: str


class PocketKubelet:
    def __init__(self, config: NodeConfig, api: Api, http: httpx.AsyncClient) -> None:
        self._config, self._api, self._http = config, api, http
        self._directory = Path(config.directory)
        self._images: dict[str, Image] = {}
        self._pods: dict[str, PocketPod] = {}
        self._addresses: set[str] = set()

    async def run(self) -> None:
        socket = self._directory / "kubelet.sock"
        socket.unlink(missing_ok=True)
        async with await asyncio.start_unix_server(self._control, socket), asyncio.TaskGroup() as tasks:
            await persist(self._register)
            tasks.create_task(self._stay_ready())
            selector = f"spec.nodeName={self._config.node}"
            async with contextlib.aclosing(self._api.watch(PODS.at(), fieldSelector=selector)) as events:
                async for event in events:
                    if event.kind == "DELETED":
                        self._removed(event.object)
                    elif event.kind != "SYNCED":
                        self._seen(event.object, tasks)

    def _seen(self, manifest: Manifest, tasks: asyncio.TaskGroup) -> None:
        """A completed pod stays in the table until its object is deleted: an old event must not start it again."""
        uid = manifest["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid].update(manifest)
        elif manifest.get("status", {}).get("phase") not in {"Succeeded", "Failed"}:
            pod = PocketPod(manifest, self._free_address(), self._api, self._http, self._images, self._directory)
            self._pods[uid] = pod
            tasks.create_task(self._live(pod))

    def _removed(self, manifest: Manifest) -> None:
        if (pod := self._pods.pop(manifest["metadata"]["uid"], None)) is not None:
            pod.removed()

    async def _live(self, pod: PocketPod) -> None:
        await pod.run()
        self._addresses.discard(pod.pod_ip)

    def _free_address(self) -> str:
        """Anywhere in 127.64.0.0/10: two runs on one machine hardly ever meet."""
        while True:
            address = f"127.{random.randint(64, 127)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
            if address not in self._addresses:
                self._addresses.add(address)
                return address

    # The node

    async def _register(self) -> None:
        name = self._config.node
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        node = {"metadata": {"name": name, "labels": labels}, "spec": {}}
        with contextlib.suppress(ApiError):
            await self._api.create(NODES.at(), node)
        await self._beat()

    async def _stay_ready(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            await persist(self._beat)

    async def _beat(self) -> None:
        """Renew the lease and the Ready condition: the controllers reset it after a gap."""
        name, now = self._config.node, time.time()
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": name, "namespace": LEASE_NAMESPACE},
            "spec": {
                "holderIdentity": name,
                "leaseDurationSeconds": LEASE_S,
                "renewTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
        await self._api.apply(LEASES.at(LEASE_NAMESPACE, name), lease, manager="pocket-kubelet")
        received = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": received}
        pressures = [
            {"type": kind, "status": "False", "reason": f"KubeletHasNo{kind}", "lastHeartbeatTime": received}
            for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
        ]
        status = {
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "conditions": [ready, *pressures],
        }
        await self._api.patch(NODES.at(name=name, subresource="status"), {"status": status}, kind="strategic-merge")

    # Requests of tests

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = self._answer(msgspec.json.decode(await reader.readline()))
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
        finally:
            writer.close()

    def _answer(self, requested: Mapping[str, Any]) -> Any:
        match requested:
            case {"do": "push", "name": str(name), "image": image}:
                self._images[name] = msgspec.convert(image, Image)
            case {"do": "remove", "name": str(name)}:
                self._images.pop(name, None)
            case {"do": "evict", "namespace": namespace, "name": name}:
                for pod in self._pods.values():
                    if (pod.namespace, pod.name) == (namespace, name):
                        pod.evict(EVICTED)
            case {"do": "pods"}:
                return [
                    PodFacts(pod.namespace, pod.name, pod.pod_ip, pod.pid, str(pod.log_path))
                    for pod in self._pods.values()
                ]
            case _:
                raise ValueError(f"no such wish: {requested}")
        return None


async def _serve(config: NodeConfig) -> None:
    trusted = ssl.create_default_context(cafile=config.certificate)
    async with (
        Api(config.url, token=config.token, trusted=trusted) as api,
        plain_client() as http,
    ):
        await PocketKubelet(config, api, http).run()


def main() -> None:
    config = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=NodeConfig)
    # At once: every process ends with this one, and the harness removes the files.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    fork_server()  # it imports while the node comes up
    asyncio.run(_serve(config))


if __name__ == "__main__":
    main()
