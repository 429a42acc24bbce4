"""Crashes of workers and operators: waiting requests are served, and no scaling happens twice."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from harness.gateway import Gateway
from harness.kubernetes.api import Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.operator_process import OperatorProcess, Operators
from harness.kubernetes.scaling import ScaledRoute, requests_of, scale_writes
from harness.nats_server import NatsServer

pytestmark = pytest.mark.timeout(180)


async def test_scaling_keeps_the_number_when_workers_are_killed(
    api: Api,
    namespace: str,
    nats: NatsServer,
    operators: Operators,
    cluster: Cluster,
    kubelet: Kubelet,
    tmp_path: Path,
) -> None:
    await operators.start()
    route = ScaledRoute(api, namespace)
    await route.create(minReplicas=2)
    await route.reports(lambda status: status.get("readyReplicas") == 2, "both run", timeout_s=40)
    mark = cluster.plane.audit_log.mark()
    killed = [pod.pid for pod in await kubelet.pods(namespace)]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await gateway.has_model("simulated")
        assert (await gateway.request("simulated")).status_code == 200
    await route.reports(lambda status: status.get("readyReplicas") == 2, "both run again", timeout_s=40)
    assert scale_writes(operators, mark) == 0


async def test_scaling_serves_a_waiting_request_when_the_operator_starts(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess, operators: Operators, tmp_path: Path
) -> None:
    route = ScaledRoute(api, namespace)
    await route.create()
    async with Gateway.running(nats.url, tmp_path) as gateway, requests_of(nats.url, namespace) as request:
        # Which it lists as soon as the operator has marked the catalogue as complete.
        await gateway.has_model("simulated")
        operator.process.terminate()
        await operator.process.exited()
        pending = asyncio.create_task(gateway.request("simulated"))
        await request.waiting(1)
        await operators.start()
        assert (await pending).status_code == 200
