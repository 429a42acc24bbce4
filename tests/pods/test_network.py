"""NetworkPolicies in force: all other tests here run under them, and no pod reaches more than it needs."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import pytest_asyncio
from harness.kubernetes.api import PODS, Api, Manifest
from harness.kubernetes.model_routes import model_route
from harness.kubernetes.node import network
from harness.kubernetes.node.installation import Installation
from harness.kubernetes.node.node import Node
from harness.kubernetes.readiness import is_ready

ROUTE = "fenced"
CONNECT_S = 3
CONNECTS = f"""
import socket, sys
for target in sys.argv[1:]:
    host, port = target.split(":")
    try:
        socket.create_connection((host, int(port)), {CONNECT_S}).close()
        print(target, "open")
    except OSError:
        print(target, "closed")
"""
API_SERVER = f"{network.ADDRESS}:{network.API_SERVER_PORT}"


async def reached(release: Installation, pod: str, targets: Mapping[str, str]) -> set[str]:
    """The names of those targets, each `host:port`, that a program in this pod can connect to."""
    logged = await release.kubectl("exec", pod, "--", "python3", "-c", CONNECTS, *targets.values())
    of = dict(line.split() for line in logged.splitlines())
    assert of.keys() == set(targets.values()), logged
    return {name for name, target in targets.items() if of[target] == "open"}


@pytest_asyncio.fixture
async def stranger(release: Installation, api: Api) -> AsyncIterator[str]:
    """A pod in the release's namespace without labels of the release; returns its name."""
    name = f"stranger-{secrets.token_hex(2)}"
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    container = {
        "name": "stranger",
        "image": release.cluster.images.penstock,
        "command": ["sleep", "600"],
        "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    spec = {"containers": [container], "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}
    path = PODS.at(release.namespace, name)
    await api.create(PODS.at(release.namespace), {"metadata": {"name": name}, "spec": spec})
    try:
        await api.until(path, is_ready, f"{name} runs", timeout_s=60)
        yield name
    finally:
        await api.delete(path)


@pytest.fixture
def targets(release: Installation, api: Api, node: Node) -> Callable[[], Awaitable[dict[str, str]]]:
    """Everything of the release that listens, as `host:port`; on our node, as a given cluster may enforce no policy."""
    if not node.enforces_policies:
        pytest.skip("kube-router cannot enforce policies on this machine's kernel")

    async def all_of_them() -> dict[str, str]:
        found = {"the API server": API_SERVER}
        for component, ports in {
            "gateway": (8080, 8081),
            "operator": (8081,),
            "nats": (4222, 8222),
            "chat-model": (8080,),
        }.items():
            address = (await release.pods(api, component))[0]["status"]["podIP"]
            found |= {f"{component} {port}": f"{address}:{port}" for port in ports}
        worker = (await release.workers(api, ROUTE))[0]["status"]["podIP"]
        return {**found, "worker 8081": f"{worker}:8081"}

    return all_of_them


async def test_network_policies_admit_needed_connections_and_strangers_only_to_the_gateway(
    release: Installation,
    api: Api,
    stranger: str,
    targets: Callable[[], Awaitable[dict[str, str]]],
    route: Callable[[Manifest], Awaitable[Manifest]],
) -> None:
    await route(model_route(ROUTE, models=("fenced-model",), scaling={"minReplicas": 1}))
    there = await targets()

    # Of the release only the operator may reach the API server; its port is open for pods that no policy selects.
    assert await reached(release, stranger, there) == {"the API server", "gateway 8080"}
    # Between pods of one node kube-router passes what either end allows: an open port does not show the egress rules.
    del there["gateway 8080"]
    # The second of two, as a pod always reaches itself.
    gateway, operator = [(await release.pods(api, one))[1]["metadata"]["name"] for one in ("gateway", "operator")]
    assert await reached(release, gateway, there) == {"nats 4222"}
    # Its metrics have the servers' state.
    assert await reached(release, operator, there) == {"the API server", "nats 4222", "nats 8222"}
    worker = (await release.workers(api, ROUTE))[0]["metadata"]["name"]
    del there["worker 8081"]
    # Its providers may be anywhere, so only what has a policy of its own is closed to it.
    assert await reached(release, worker, there) == {"the API server", "nats 4222", "chat-model 8080"}
