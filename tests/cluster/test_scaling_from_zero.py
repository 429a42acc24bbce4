"""A route without workers: the first request activates it at once, in one step, and waits for its answer."""

import asyncio
from pathlib import Path

import pytest
from harness.gateway import Gateway
from harness.kubernetes.api import EVENTS, Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.operator_process import OperatorProcess, Operators
from harness.kubernetes.pod_image import Image
from harness.kubernetes.scaling import ScaledRoute, requests_of, scale_writes
from harness.nats_server import NatsServer

pytestmark = pytest.mark.timeout(180)


async def test_scaling_starts_the_first_worker_for_a_request(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess, tmp_path: Path
) -> None:
    route = ScaledRoute(api, namespace)
    await route.create()
    assert await route.replicas() == 0
    await route.has("Serving", "True Idle")
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await gateway.has_model("simulated")
        answer = await gateway.request("simulated")
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
    woken = await route.reports(lambda status: status.get("lastDecision", {}).get("to") == 1, "it says why")
    assert woken["status"]["lastDecision"]["reason"] == "FromZero"
    statuses = await api.until_all(
        EVENTS.at(namespace),
        lambda events: [event for event in events if event["reason"] == "FromZero"],
        "an Event tells of it",
    )
    assert len(statuses) == 1
    assert operator.process.alive


async def test_scaling_writes_a_backlog_of_100_once(
    api: Api, namespace: str, nats: NatsServer, operators: Operators, cluster: Cluster, kubelet: Kubelet
) -> None:
    await kubelet.push("test/hollow", Image(hollow=True))
    await operators.start(PENSTOCK_WORKER_IMAGE="test/hollow")
    route = ScaledRoute(api, namespace)
    await route.create(concurrencyPerReplica=8, maxReplicas=20)
    await route.has("Serving", "True Idle")
    mark = cluster.plane.audit_log.mark()
    async with requests_of(nats.url, namespace) as request:
        # As a gateway does: it calls when the first is in the queue, and the others are on their way.
        await request.queue()
        others = asyncio.gather(*(request.queue() for _ in range(99)))
        await request.wake()
        await others
    await route.requests_replicas(13)
    # What would write again comes within the next looks; the status is written after them.
    await route.reports(lambda status: status.get("replicas") == 13, "its pods are there")
    assert scale_writes(operators, mark) == 1


async def test_route_reports_the_reason_to_a_client_when_workers_cannot_start(
    api: Api, namespace: str, nats: NatsServer, operators: Operators, tmp_path: Path
) -> None:
    await operators.start(PENSTOCK_WORKER_IMAGE="test/nobody-pushed-this")
    route = ScaledRoute(api, namespace)
    await route.create()
    await api.patch(route.path, {"spec": {"limits": {"queueTimeoutSeconds": 8}}})
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await gateway.has_model("simulated")
        answer = await gateway.request("simulated")
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["code"] == "queue_timeout"
    assert error["message"].startswith("no worker took the request within 8 s: ")
    assert "image" in error["message"]
