"""`mode: Manual` leaves the number to `/scale`; `paused` holds it where it is."""

import asyncio
from pathlib import Path

import pytest
from harness.gateway import Gateway
from harness.kubernetes.api import PODS, Api, Resource
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.operator_process import OperatorProcess, Operators
from harness.kubernetes.pod_image import Image
from harness.kubernetes.scaling import ScaledRoute, requests_of, scale_writes
from harness.nats_server import NatsServer
from harness.processes import until

pytestmark = pytest.mark.timeout(180)


HPAS = Resource("autoscaling/v2", "horizontalpodautoscalers")


async def seen(operator: OperatorProcess, state: str, count: int) -> bool:
    """True if the operator's last reading of the route is this number of requests."""
    lines = [line for line in (await operator.metrics()).splitlines() if line.startswith("penstock_route_demand")]
    return any(f'state="{state}"' in line and float(line.split()[-1]) == count for line in lines)


async def test_scaling_follows_kubectl_scale_in_manual_mode(
    api: Api, namespace: str, kubectl: Kubectl, operator: OperatorProcess
) -> None:
    route = ScaledRoute(api, namespace)
    await route.create(mode="Manual", replicas=1)
    await route.requests_replicas(1)
    await kubectl("scale", "mr/main", "--replicas=2", "-n", namespace)
    await route.requests_replicas(2)
    await route.reports(lambda status: status.get("readyReplicas") == 2, "two are ready", timeout_s=40)
    await kubectl("scale", "mr/main", "--replicas=0", "-n", namespace)
    await route.requests_replicas(0)
    await api.until_all(PODS.at(namespace), lambda pods: not pods, "no pod is left", timeout_s=20)
    await route.has("ScalingActive", "False Manual")
    assert operator.process.alive


async def test_scaling_follows_a_horizontal_pod_autoscaler(
    api: Api, namespace: str, kubelet: Kubelet, operators: Operators
) -> None:
    """Its bounds count even where no metric is served, so what is tried is the way and not the number."""
    await kubelet.push("test/hollow", Image(hollow=True))
    await operators.start(PENSTOCK_WORKER_IMAGE="test/hollow")
    route = ScaledRoute(api, namespace)
    await route.create(mode="Manual", replicas=1)
    await route.requests_replicas(1)
    target = {"apiVersion": "penstock.dev/v1alpha1", "kind": "ModelRoute", "name": "main"}
    spec = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
    await api.create(HPAS.at(namespace), {"metadata": {"name": "main"}, "spec": spec})

    await route.requests_replicas(3, timeout_s=40)
    await route.reports(lambda status: status.get("replicas") == 3, "the status counts them")
    hpa = await api.until(
        HPAS.at(namespace, "main"),
        lambda one: one.get("status", {}).get("currentReplicas") == 3,
        "the autoscaler reads its number back",
        timeout_s=40,
    )
    assert {one["type"]: one["status"] for one in hpa["status"]["conditions"]}["AbleToScale"] == "True"


async def test_scaling_reverts_a_foreign_number_on_the_deployment(
    api: Api, namespace: str, kubectl: Kubectl, kubelet: Kubelet, operators: Operators
) -> None:
    await kubelet.push("test/hollow", Image(hollow=True))
    await operators.start(PENSTOCK_WORKER_IMAGE="test/hollow")
    route = ScaledRoute(api, namespace)
    await route.create(mode="Manual", replicas=2)
    await route.requests_replicas(2)
    await kubectl("scale", "deployment/main-worker", "--replicas=5", "-n", namespace)
    await route.requests_replicas(2)


async def test_scaling_leaves_a_paused_route_alone_until_it_is_resumed(
    api: Api, namespace: str, nats: NatsServer, operators: Operators, cluster: Cluster, tmp_path: Path
) -> None:
    await operators.start()
    route = ScaledRoute(api, namespace)
    await route.create(paused="All")
    await route.has("ScalingActive", "False Paused")
    mark = cluster.plane.audit_log.mark()
    async with Gateway.running(nats.url, tmp_path) as gateway, requests_of(nats.url, namespace) as request:
        await gateway.has_model("simulated")
        pending = asyncio.create_task(gateway.request("simulated"))
        await request.waiting(1)
        # In the same look that would have scaled.
        await until(lambda: seen(operators.started[0], "waiting", 1), "the operator has seen it")
        assert await route.replicas() == 0
        assert scale_writes(operators, mark) == 0
        await route.rescale(paused="None")
        assert (await pending).status_code == 200
