"""The node's own network: a loopback, an address that pods and the API server are reached by, and a name service."""

import subprocess
from pathlib import Path

ADDRESS = "10.250.0.1"
API_SERVER_PORT = 6443
"""The network that the chart's NetworkPolicies name."""
HOST_ADDRESS = "10.250.0.2"
"""The machine's end of the cable, while `make cluster` has one."""
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/16"
DOMAIN = "cluster.local"

BRIDGE = "node0"
CABLE = "penstock0"


def bring_up() -> None:
    """In a network namespace that is new."""
    _ip("link", "set", "lo", "up")
    # A bridge without ports, as not every kernel has `dummy`.
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", f"{ADDRESS}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    # It leads nowhere, but without a route the kernel rejects a Service's address before kube-proxy rewrites it.
    _ip("route", "add", "default", "via", ADDRESS)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def resolv_conf(search: str = "") -> str:
    return f"nameserver {ADDRESS}\n{search and f'search {search}'}\noptions ndots:5\n"


def lay_cable(pid: int) -> None:
    """From the machine's own network into that of a process, until `take_up_cable`."""
    _ip("link", "add", CABLE, "type", "veth", "peer", "name", "host0", "netns", str(pid))
    _ip("address", "add", f"{HOST_ADDRESS}/24", "dev", CABLE)
    _ip("link", "set", CABLE, "up")
    subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "link", "set", "host0", "master", BRIDGE, "up"], check=True)


def take_up_cable() -> None:
    """The kernel removes it with the namespace, but minutes later: the next cable has the same name."""
    subprocess.run(["ip", "link", "delete", CABLE], check=False, capture_output=True)


def has_rules_of(whose: str) -> bool:
    """True if a firewall's rules name them, in the network of this process."""
    return whose in subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
