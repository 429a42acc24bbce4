"""Scale-in without a truncated stream: a worker drains first, and the ReplicaSet removes the drained one."""

import asyncio
from pathlib import Path

import httpx
import pytest
from harness.gateway import Gateway, Reader
from harness.kubernetes.api import PODS, Api
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.operator_process import OperatorProcess
from harness.kubernetes.scaling import ScaledRoute
from harness.nats_server import NatsServer

pytestmark = pytest.mark.timeout(180)

TOKENS = 500


async def test_scaling_drains_a_busy_worker_before_its_removal(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess, kubelet: Kubelet, tmp_path: Path
) -> None:
    route = ScaledRoute(api, namespace)
    await route.create(tokens=TOKENS, per_second=25, concurrencyPerReplica=1, minReplicas=1)
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await gateway.has_model("simulated")
        readers = [Reader(gateway, TOKENS) for _ in range(2)]
        reads = [asyncio.create_task(reader.read()) for reader in readers]
        for reader in readers:
            async with asyncio.timeout(40):
                await reader.begun.wait()
        assert await route.replicas() == 2
        # Two slots each now: one worker would be enough for both, but each has a stream.
        await route.rescale(concurrencyPerReplica=2)
        await route.reports(lambda status: status.get("drainingReplicas") == 1, "one drains", timeout_s=20)
        assert await route.replicas() == 2, "it keeps its place while it has a stream"
        assert not any(read.done() for read in reads)
        pods = await api.list(PODS.at(namespace))
        [marked] = [pod["metadata"]["name"] for pod in pods if pod["metadata"].get("annotations")]
        drained = await route.reports(lambda status: status["desiredReplicas"] == 1, "it wants one")
        assert drained["status"]["lastDecision"]["reason"] == "DemandFell"
        await asyncio.gather(*reads)
        assert all(reader.whole for reader in readers)
        await route.requests_replicas(1)
        left = await api.until_all(PODS.at(namespace), lambda pods: pods if len(pods) == 1 else None, "one pod is left")
        assert left[0]["metadata"]["name"] != marked
    assert operator.process.alive
    assert "worker_lost" not in kubelet.logs(namespace)


async def test_scaling_idle_route_scales_to_zero_and_back(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess, tmp_path: Path
) -> None:
    route = ScaledRoute(api, namespace)
    await route.create()
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await gateway.has_model("simulated")
        for _ in range(2):
            assert (await gateway.request("simulated")).status_code == 200
            await route.requests_replicas(0)
            await api.until_all(PODS.at(namespace), lambda pods: not pods, "no pod is left", timeout_s=20)
            await route.has("Serving", "True Idle")
            await route.has("WorkersReady", "True ScaledToZero")
    assert operator.process.alive


async def test_scaling_serves_requests_that_arrive_while_the_last_worker_is_removed(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess, tmp_path: Path
) -> None:
    route = ScaledRoute(api, namespace)
    await route.create(scaleToZeroAfterSeconds=0, stableWindowSeconds=2)
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await gateway.has_model("simulated")

        async def send_now_and_then(pause_s: float) -> list[httpx.Response]:
            answers = []
            for _ in range(6):
                answers.append(await gateway.request("simulated"))
                await asyncio.sleep(pause_s)
            return answers

        # At intervals of about the window: some arrive just when the worker starts to drain.
        rounds = await asyncio.gather(*(send_now_and_then(pause_s) for pause_s in (2.6, 3.1)))
    assert [answer.status_code for answers in rounds for answer in answers] == [200] * 12
    assert operator.process.alive
