"""What makes a Service's name and address lead to its pods: CoreDNS and kube-proxy, as processes of the node."""

from pathlib import Path

import msgspec
from harness.kubernetes import binaries
from harness.kubernetes.node import network
from harness.kubernetes.node.kubelet import NAME
from harness.processes import Process

COREFILE = """.:53 {{
  bind {address}
  errors
  kubernetes {domain} in-addr.arpa {{
    kubeconfig {kubeconfig}
    ttl 1
  }}
  cache 1
}}
"""


class Services:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.processes: list[Process] = []

    def start(self, *, proxy: Path, names: Path) -> None:
        """With these kubeconfigs."""
        config = self._directory / "kube-proxy.json"
        config.write_bytes(
            msgspec.json.encode(
                {
                    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                    "kind": "KubeProxyConfiguration",
                    "mode": "nftables",
                    "clientConnection": {"kubeconfig": str(proxy)},
                    "clusterCIDR": network.PODS,
                    "hostnameOverride": NAME,
                    "oomScoreAdj": 0,
                    # The machine's own setting stays.
                    "conntrack": {"maxPerCore": 0, "min": 0},
                }
            )
        )
        corefile = self._directory / "Corefile"
        corefile.write_text(COREFILE.format(address=network.ADDRESS, domain=network.DOMAIN, kubeconfig=names))
        self._start("kube-proxy", f"--config={config}")
        self._start("coredns", "-conf", str(corefile))

    def _start(self, name: str, *flags: str) -> None:
        command = [str(binaries.binary(name)), *flags]
        self.processes.append(Process(name, command, self._directory / f"{name}.log", leashed=True))
