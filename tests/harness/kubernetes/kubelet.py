"""The pocket kubelet from a test's side: its process, its images, and the state of its pods.

await kubelet.push("worker:1", Image({"penstock": [venv / "penstock"]}))
[pod] = await kubelet.pods(namespace)
os.kill(pod.pid, signal.SIGKILL)
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from harness.kubernetes.api import NODES, Api
from harness.kubernetes.control_plane import ControlPlane
from harness.kubernetes.pocket_kubelet import NodeConfig, PodFacts
from harness.kubernetes.pod_image import Image
from harness.processes import Process

TESTS = Path(__file__).parents[2]
MODULE = "harness.kubernetes.pocket_kubelet"


class Kubelet:
    """One node. `kill` ends its pods' processes too, like the failure of a machine.

    With `joined` it is a node that another process has started there.
    """

    def __init__(self, plane: ControlPlane, node: str = "pocket", joined: Path | None = None) -> None:
        self.node = node
        # A Unix socket's path must be short, and a directory is private.
        self.directory = joined or Path(tempfile.mkdtemp(prefix=f"{node}-", dir=plane.directory))
        self.log_path = self.directory / "kubelet.log"
        self._config = self.directory / "config.json"
        config = NodeConfig(
            node=node,
            url=plane.url,
            token=plane.tokens["kubelet"],
            certificate=str(plane.certificate),
            directory=str(self.directory),
        )
        if joined is None:
            self._config.write_bytes(msgspec.json.encode(config))
        self._images: dict[str, Image] = {}
        self._process: Process | None = None

    async def start(self, api: Api) -> None:
        """Start it (again); returns when pods are scheduled to it."""
        command = [sys.executable, "-m", MODULE, str(self._config)]
        self._process = Process(self.node, command, self.log_path, {"PYTHONPATH": str(TESTS)}, leashed=True)

        def schedulable(node: dict[str, Any]) -> bool:
            self.check()
            ready = (condition["type"] == "Ready" for condition in node["status"].get("conditions", []))
            return any(ready) and not node["spec"].get("taints")

        await api.until(NODES.at(name=self.node), schedulable, f"node {self.node} takes pods", timeout_s=30)
        for name, image in self._images.items():
            await self.push(name, image)

    def kill(self) -> None:
        assert self._process is not None, "another process's node"
        self._process.kill()

    def check(self) -> None:
        """Fail, with its log, if it has exited."""
        assert self._process is None or self._process.alive, self.log_path.read_text(errors="replace")

    async def push(self, name: str, image: Image) -> None:
        """From now on this image can be pulled; containers that run are left alone."""
        self._images[name] = image
        await self._request({"do": "push", "name": name, "image": image})

    async def remove(self, name: str) -> None:
        """From now on a pull of it fails."""
        self._images.pop(name, None)
        await self._request({"do": "remove", "name": name})

    async def pods(self, namespace: str) -> Sequence[PodFacts]:
        facts = msgspec.convert(await self._request({"do": "pods"}), list[PodFacts])
        return [pod for pod in facts if pod.namespace == namespace]

    async def evict(self, namespace: str, name: str) -> None:
        """As a node that runs out of memory does: no API, no grace, and the pod stays as Failed."""
        await self._request({"do": "evict", "namespace": namespace, "name": name})

    def logs(self, namespace: str) -> str:
        """The logs of the namespace's containers, ended ones too, and of the kubelet."""
        paths = [*sorted(self.directory.glob(f"{namespace}_*.log")), self.log_path]
        return "\n".join(f"--- {path.stem}\n{path.read_text(errors='replace')}" for path in paths)

    async def _request(self, wish: Any) -> Any:
        self.check()
        reader, writer = await asyncio.open_unix_connection(self.directory / "kubelet.sock")
        try:
            writer.write(msgspec.json.encode(wish) + b"\n")
            answer = await reader.readline()
        finally:
            writer.close()
            await writer.wait_closed()
        return msgspec.json.decode(answer)
