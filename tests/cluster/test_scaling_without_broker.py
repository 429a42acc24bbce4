"""Without the broker the load is unknown: the number is held, the status reports it, then the fallback applies."""

import pytest
from harness.kubernetes.api import Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.operator_process import Operators
from harness.kubernetes.scaling import ScaledRoute, scale_writes
from harness.nats_server import NatsServer

pytestmark = pytest.mark.timeout(180)


async def test_scaling_holds_the_number_without_the_broker_and_reports_it(
    api: Api, namespace: str, nats: NatsServer, operators: Operators, cluster: Cluster
) -> None:
    await operators.start()
    route = ScaledRoute(api, namespace)
    await route.create(minReplicas=1)
    await route.has("ScalingActive", "True Active")
    await route.reports(lambda status: status.get("readyReplicas") == 1, "it runs", timeout_s=40)
    mark = cluster.plane.audit_log.mark()
    nats.kill()
    away = await route.has("ScalingActive", "False BrokerUnavailable")
    assert "held" in str(away["status"]["conditions"])
    assert await route.replicas() == 1
    nats.start()
    await nats.listening()
    await route.has("ScalingActive", "True Active")
    assert scale_writes(operators, mark) == 0


async def test_scaling_applies_the_fallback_until_the_load_is_known_again(
    api: Api, namespace: str, nats: NatsServer, operators: Operators
) -> None:
    await operators.start()
    route = ScaledRoute(api, namespace)
    await route.create(fallback={"afterSeconds": 5, "behavior": "Static", "replicas": 2})
    assert await route.replicas() == 0
    nats.kill()
    await route.has("ScalingActive", "False BrokerUnavailable")
    await route.requests_replicas(2)
    await route.has("ScalingActive", "False Fallback")
    nats.start()
    await nats.listening()
    await route.has("ScalingActive", "True Active")
    await route.requests_replicas(0, timeout_s=40)
