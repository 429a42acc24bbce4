"""The cluster's network beyond a pod's own cable, as processes of the node.

CoreDNS and kube-proxy make a Service's name and address lead to its pods, and kube-router enforces NetworkPolicies.
"""

from pathlib import Path

import msgspec
from harness.kubernetes import binaries
from harness.kubernetes.node import network
from harness.kubernetes.node.kubelet import NAME
from harness.processes import Process, until

START_S = 20.0

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

    async def enforce_policies(self, kubeconfig: Path) -> str:
        """On a node that is registered. Returns when they are in force, or why they cannot be: not every kernel has
        what it takes (ip_set, xt_set).
        """
        # Of all that it can be only the firewall: routes, addresses of Services and the pods' network are the others'.
        parts = {"firewall": True, "router": False, "service-proxy": False}
        self._start(
            "kube-router",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={NAME}",
            f"--service-cluster-ip-range={network.SERVICES}",
            *(f"--run-{part}={str(runs).lower()}" for part, runs in parts.items()),
            "--enable-cni=false",
            "--health-port=0",
        )
        process = self.processes[-1]

        def has_tried() -> bool:
            return network.has_rules_of("KUBE-ROUTER") or not process.alive

        await until(has_tried, "kube-router enforces policies", timeout_s=START_S)
        return "" if process.alive else process.log().strip().rpartition("\n")[2]

    def _start(self, name: str, *flags: str) -> None:
        command = [str(binaries.binary(name)), *flags]
        self.processes.append(Process(name, command, self._directory / f"{name}.log", leashed=True))
