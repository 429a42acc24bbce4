"""The real kubelet, with as many rights as it has anywhere: its node's."""

import subprocess
from pathlib import Path
from typing import Any

import msgspec
from harness.kubernetes import binaries
from harness.kubernetes.api import NODES, Api
from harness.kubernetes.node import network
from harness.kubernetes.node.container_runtime import SOCKET
from harness.processes import Process

NAME = "node"
START_S = 60.0


class Kubelet:
    """`cgroup` exists, and all pods are below it."""

    def __init__(self, directory: Path, kubeconfig: Path, cgroup: str) -> None:
        self._directory = directory
        self._kubeconfig = kubeconfig
        self._cgroup = cgroup
        self.process: Process

    @property
    def certificate(self) -> Path:
        """A client with this certificate may read logs and run commands: the API server, with its `key`."""
        return self._directory / "api-server-client.crt"

    @property
    def key(self) -> Path:
        return self.certificate.with_suffix(".key")

    def make_certificate(self) -> None:
        self._directory.mkdir(exist_ok=True)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(self.key))
        subject = ("-days", "2", "-subj", "/O=system:masters/CN=kube-apiserver")
        command = ["openssl", "req", "-x509", *key, *subject, "-out", str(self.certificate)]
        subprocess.run(command, check=True, capture_output=True)

    def start(self) -> None:
        """Start it (again)."""
        config = self._directory / "config.json"
        config.write_bytes(msgspec.json.encode(self._config()))
        (self._directory / "resolv.conf").write_text(network.resolv_conf())
        command = [
            str(binaries.binary("kubelet")),
            f"--config={config}",
            f"--kubeconfig={self._kubeconfig}",
            f"--root-dir={self._directory / 'root'}",
            f"--hostname-override={NAME}",
            f"--node-ip={network.ADDRESS}",
        ]
        self.process = Process("kubelet", command, self._directory / "kubelet.log", leashed=True)

    async def ready(self, api: Api) -> None:
        """Wait until pods are scheduled here."""

        def takes_pods(node: dict[str, Any]) -> bool:
            assert self.process.alive, self.process.log()[-4000:]
            conditions = node["status"].get("conditions", [])
            return not node["spec"].get("taints") and any(
                condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
            )

        await api.until(NODES.at(name=NAME), takes_pods, "the node is ready", timeout_s=START_S)

    def _config(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": network.ADDRESS,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            # The tests may be in a container themselves, that may not lower it.
            "oomScoreAdj": 0,
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "clusterDNS": [network.ADDRESS],
            "clusterDomain": network.DOMAIN,
            "resolvConf": str(self._directory / "resolv.conf"),
            "podLogsDir": str(self._directory / "pod-logs"),
            "volumePluginDir": str(self._directory / "volume-plugins"),
            "makeIPTablesUtilChains": False,
            # Whatever disk the machine has left: images are small and stay.
            "evictionHard": {"memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100,
            "evictionPressureTransitionPeriod": "5s",
            "nodeStatusUpdateFrequency": "4s",
        }
