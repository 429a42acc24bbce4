"""A route is deleted while it is used: its workers finish what they have, and then go."""

import asyncio
from pathlib import Path

import pytest
from harness.gateway import Gateway, Reader
from harness.kubernetes.api import PODS, Api
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.operator_process import OperatorProcess
from harness.kubernetes.scaling import ScaledRoute
from harness.nats_server import NatsServer

pytestmark = pytest.mark.timeout(120)

TOKENS = 250


async def test_route_deletion_lets_workers_finish_their_streams(
    api: Api, namespace: str, nats: NatsServer, operator: OperatorProcess, kubelet: Kubelet, tmp_path: Path
) -> None:
    route = ScaledRoute(api, namespace)
    await route.create(tokens=TOKENS, per_second=25)
    async with Gateway.running(nats.url, tmp_path) as gateway:
        await gateway.has_model("simulated")
        reader = Reader(gateway, TOKENS)
        reading = asyncio.create_task(reader.read())
        async with asyncio.timeout(40):
            await reader.begun.wait()

        await api.delete(route.path)
        await api.gone(route.path)
        await api.gone(route.deployment_path)
        assert not reading.done(), "it was to last longer"
        # Though a worker is still there.
        await gateway.drops_model("simulated")
        refused = await gateway.request("simulated")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")

        await reading
        assert reader.whole
        await api.until_all(PODS.at(namespace), lambda pods: not pods, "no pod is left", timeout_s=30)
    assert "worker_lost" not in kubelet.logs(namespace)
    assert operator.process.alive
