"""The pocket node behaves as the operator's tests assume of a node, with the real controllers and scheduler."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from harness.kubernetes.api import DEPLOYMENTS, PODS, SECRETS, Api, Manifest
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.pod_image import Image
from harness.plain_client import plain_client
from harness.processes import until

pytestmark = pytest.mark.xdist_group("api-server")

IMAGE = "test/server:1"
SERVER = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path != "/never" else 503)
        self.end_headers()
        self.wfile.write(os.environ.get("KEY", os.environ["POD"]).encode())
    def log_message(self, *args):
        pass
def drain(*_):
    print("draining", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
print("serving as", os.environ["POD"], flush=True)
http.server.HTTPServer((os.environ["POD_IP"], 8081), Handler).serve_forever()
"""
SERVES = Image({"serve": [sys.executable, "-c", SERVER]})
CRASHES = Image({"serve": [sys.executable, "-c", "raise SystemExit(3)"]})


def deployment(replicas: int = 1, image: str = IMAGE, **container: Any) -> Manifest:
    """A Deployment with one server per pod, which returns its pod's name, or its KEY."""
    fields = {"POD": "metadata.name", "POD_IP": "status.podIP"}
    env = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]
    spec = {
        "name": "server",
        "image": image,
        "command": ["serve"],
        "ports": [{"name": "http", "containerPort": 8081}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        **container,
    }
    spec["env"] = [*env, *container.get("env", [])]
    labels = {"app": "server"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "server"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [spec]}},
        },
    }


def waiting(pod: Manifest) -> Manifest:
    """Why its container waits."""
    [container] = pod["status"].get("containerStatuses") or [{"state": {}}]
    reason: Manifest = container["state"].get("waiting", {})
    return reason


def ready(pod: Manifest) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def exists(pid: int | None) -> bool:
    return Path(f"/proc/{pid}").exists()


class Server:
    """The Deployment and its pods."""

    def __init__(self, api: Api, kubelet: Kubelet, namespace: str) -> None:
        self.api, self.kubelet, self.namespace = api, kubelet, namespace

    async def apply(self, manifest: Manifest) -> None:
        await self.api.apply(DEPLOYMENTS.at(self.namespace, "server"), manifest, manager="test")

    async def has_ready(self, count: int) -> list[Manifest]:
        def holds(pods: Sequence[Manifest]) -> bool:
            return len(pods) == count and all(ready(pod) for pod in pods)

        await self.api.until_all(PODS.at(self.namespace), holds, f"{count} ready pods", timeout_s=20)
        return await self.api.list(PODS.at(self.namespace))

    async def pod_waits(self, reason: str) -> Manifest:
        """The pod, once its container waits for this reason."""

        def holds(pods: Sequence[Manifest]) -> Manifest | None:
            return next((pod for pod in pods if waiting(pod).get("reason") == reason), None)

        return await self.api.until_all(PODS.at(self.namespace), holds, f"a pod waits: {reason}")


@pytest.fixture(scope="module")
def cluster(own_cluster: Cluster) -> Cluster:
    """A cluster whose API server may be stopped."""
    return own_cluster


@pytest_asyncio.fixture
async def server(api: Api, kubelet: Kubelet, namespace: str) -> Server:
    await kubelet.push(IMAGE, SERVES)
    return Server(api, kubelet, namespace)


async def test_harness_deployment_gets_ready_scales_and_drains_by_sigterm(server: Server, kubectl: Kubectl) -> None:
    await server.apply(deployment(1))
    [pod] = await server.has_ready(1)
    address = f"http://{pod['status']['podIP']}:8081/"
    async with plain_client() as http:
        assert (await http.get(address)).text == pod["metadata"]["name"]

    await kubectl("scale", "deployment/server", "--replicas=3", "-n", server.namespace)
    await server.has_ready(3)
    running = [facts.pid for facts in await server.kubelet.pods(server.namespace)]
    assert None not in running

    await kubectl("scale", "deployment/server", "--replicas=0", "-n", server.namespace)
    await server.has_ready(0)
    assert server.kubelet.logs(server.namespace).count("draining") == 3
    assert not [pid for pid in running if exists(pid)]


async def test_harness_pod_deletion_waits_for_a_drain_unless_forced(server: Server, kubectl: Kubectl) -> None:
    slow = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True)); time.sleep(900)"
    await server.kubelet.push("test/slow:1", Image({"serve": [sys.executable, "-c", slow]}))
    manifest = deployment(1, "test/slow:1", readinessProbe=None)
    manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 660
    await server.apply(manifest)
    [pod] = await server.has_ready(1)
    path = PODS.at(server.namespace, pod["metadata"]["name"])
    [facts] = await server.kubelet.pods(server.namespace)

    await kubectl("scale", "deployment/server", "--replicas=0", "-n", server.namespace)
    await until(lambda: "asked" in Path(facts.log).read_text(), "SIGTERM has come")
    assert (await server.api.get(path))["metadata"]["deletionTimestamp"]
    assert exists(facts.pid)

    await server.api.delete(path, {"gracePeriodSeconds": 0})
    await until(lambda: not exists(facts.pid), "the process is gone")


async def test_harness_missing_image_has_the_kubelets_status_until_it_is_pushed(server: Server) -> None:
    await server.apply(deployment(1, "test/none:1"))

    pod = await server.pod_waits("ErrImagePull")
    assert waiting(pod)["message"].startswith("rpc error: code = NotFound desc = failed to pull and unpack image")
    pod = await server.pod_waits("ImagePullBackOff")
    assert waiting(pod)["message"].startswith('Back-off pulling image "test/none:1": ErrImagePull: rpc error')
    assert pod["status"]["phase"] == "Pending"

    await server.kubelet.push("test/none:1", SERVES)
    await server.has_ready(1)


async def test_harness_missing_secret_or_key_keeps_the_container_waiting(server: Server) -> None:
    reference = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "main"}}}
    await server.apply(deployment(env=[reference]))
    pod = await server.pod_waits("CreateContainerConfigError")
    assert waiting(pod)["message"] == 'secret "keys" not found'

    secrets = SECRETS.at(server.namespace)
    await server.api.create(secrets, {"metadata": {"name": "keys"}, "stringData": {"other": "1"}})
    lacks = f"couldn't find key main in Secret {server.namespace}/keys"
    await server.api.until(
        PODS.at(server.namespace, pod["metadata"]["name"]), lambda pod: waiting(pod).get("message") == lacks, lacks
    )

    await server.api.patch(SECRETS.at(server.namespace, "keys"), {"stringData": {"main": "opens"}})
    [pod] = await server.has_ready(1)
    async with plain_client() as http:
        assert (await http.get(f"http://{pod['status']['podIP']}:8081/")).text == "opens"


async def test_harness_container_that_exits_is_restarted_with_back_off(server: Server) -> None:
    await server.kubelet.push(IMAGE, CRASHES)
    await server.apply(deployment())

    pod = await server.pod_waits("CrashLoopBackOff")
    [container] = pod["status"]["containerStatuses"]
    assert container["restartCount"] >= 1
    assert container["lastState"]["terminated"]["exitCode"] == 3
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    failed = f"restarting failed container=server pod={name}_{server.namespace}({uid})"
    assert waiting(pod)["message"] == f"back-off 1s {failed}"

    await server.kubelet.push(IMAGE, SERVES)
    await server.has_ready(1)


async def test_harness_killed_process_has_its_signal_and_is_replaced_in_the_pod(server: Server) -> None:
    await server.apply(deployment())
    [pod] = await server.has_ready(1)
    [facts] = await server.kubelet.pods(server.namespace)
    assert facts.pid is not None

    os.kill(facts.pid, signal.SIGKILL)

    def restarted(pod: Manifest) -> bool:
        [container] = pod["status"]["containerStatuses"]
        return bool(container["restartCount"] == 1 and container["lastState"]["terminated"]["exitCode"] == 137)

    path = PODS.at(server.namespace, pod["metadata"]["name"])
    await server.api.until(path, lambda pod: restarted(pod) and ready(pod), "it serves again in the same pod")


async def test_harness_pod_with_a_failing_probe_is_never_ready(server: Server) -> None:
    probe = {"httpGet": {"path": "/never", "port": 8081}, "periodSeconds": 1, "failureThreshold": 1}
    await server.apply(deployment(readinessProbe=probe))

    def runs(pods: Sequence[Manifest]) -> Manifest | None:
        return next((pod for pod in pods if pod["status"]["phase"] == "Running"), None)

    pod = await server.api.until_all(PODS.at(server.namespace), runs, "the pod runs")
    [condition] = [found for found in pod["status"]["conditions"] if found["type"] == "Ready"]
    assert condition["status"] == "False"
    assert condition["message"] == "containers with unready status: [server]"


async def test_harness_pod_that_fits_no_node_is_unschedulable(server: Server) -> None:
    await server.apply(deployment(resources={"requests": {"cpu": "1000"}}))

    def unschedulable(pods: Sequence[Manifest]) -> bool:
        conditions = [condition for pod in pods for condition in pod["status"].get("conditions", [])]
        return any(condition.get("reason") == "Unschedulable" for condition in conditions)

    await server.api.until_all(PODS.at(server.namespace), unschedulable, "the scheduler says that it fits nowhere")


async def test_harness_evicted_pod_is_failed_and_replaced(server: Server) -> None:
    await server.apply(deployment())
    [pod] = await server.has_ready(1)

    await server.kubelet.evict(server.namespace, pod["metadata"]["name"])

    path = PODS.at(server.namespace, pod["metadata"]["name"])
    evicted = await server.api.until(path, lambda pod: pod["status"].get("reason") == "Evicted", "it is evicted")
    assert evicted["status"]["phase"] == "Failed"

    def replaced(pods: Sequence[Manifest]) -> bool:
        return any(ready(other) for other in pods if other["metadata"]["uid"] != pod["metadata"]["uid"])

    await server.api.until_all(PODS.at(server.namespace), replaced, "another pod serves")


async def test_harness_hollow_pods_are_ready_without_a_process(server: Server) -> None:
    await server.kubelet.push(IMAGE, Image(hollow=True))
    await server.apply(deployment(20))

    await server.has_ready(20)
    assert {facts.pid for facts in await server.kubelet.pods(server.namespace)} == {None}


async def test_harness_pods_survive_an_api_server_outage(server: Server, cluster: Cluster, kubectl: Kubectl) -> None:
    await server.apply(deployment(2))
    await server.has_ready(2)
    before = {facts.pid for facts in await server.kubelet.pods(server.namespace)}
    [killed, *_] = before
    assert killed is not None

    cluster.plane.api_server.kill()
    os.kill(killed, signal.SIGKILL)
    await until(lambda: not exists(killed), "the process is gone")
    cluster.plane.start_api_server()
    await cluster.plane.api_server_ready()

    def healed(pods: Sequence[Manifest]) -> bool:
        restarts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods]
        return sorted(restarts) == [0, 1] and all(ready(pod) for pod in pods)

    await server.api.until_all(PODS.at(server.namespace), healed, "one restarted, one untouched", timeout_s=30)
    assert len(before & {facts.pid for facts in await server.kubelet.pods(server.namespace)}) == 1
    await kubectl("scale", "deployment/server", "--replicas=0", "-n", server.namespace)
    await server.has_ready(0)
