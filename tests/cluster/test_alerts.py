"""Each alert fires at its fault and is resolved after it, and each panel of the dashboard has data.

On a real Prometheus, operator, gateway, workers and broker.

Times are those of the chart's rules at sixty times the speed, see `harness.prometheus`. Faults of one phase are there
at the same time. `make test-alerts` prints the table.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from harness.alert_scene import AlertScene
from harness.alert_table import AlertedFault, AlertTable
from harness.gateway import Gateway, question
from harness.grafana_dashboard import GrafanaDashboard
from harness.kubernetes.api import SECRETS, Api
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.operator_process import Operators
from harness.nats_server import NatsServer
from harness.processes import until
from harness.prometheus import NAMESPACE, Prometheus, needs_prometheus
from harness.route_spec import provider
from nats.js.api import StorageType

pytestmark = [needs_prometheus, pytest.mark.timeout(400), pytest.mark.xdist_group("alerts")]

MIB = 1024 * 1024
ONE = {"mode": "Manual", "replicas": 1}
NONE = {"mode": "Manual", "replicas": 0}


@pytest_asyncio.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path, jetstream="max_memory_store: 512MB,", monitored=True)
    try:
        await server.listening()
        yield server
    finally:
        await server.process.end()


async def test_alerts_fire_at_their_faults_and_are_resolved_after_them(
    api: Api, kubelet: Kubelet, namespace: str, nats: NatsServer, operators: Operators, tmp_path: Path
) -> None:
    scene = AlertScene(api, kubelet, namespace, nats, operators)
    await scene.make_second_namespace()
    scene.environment = {
        "PENSTOCK_NATS_MONITOR_URLS": nats.monitor,
        "PENSTOCK_NAMESPACES": f"{namespace},{scene.second}",
        "PENSTOCK_USAGE_BYTES_MAX": str(MIB),
    }
    scene.operator = await operators.start(**scene.environment)
    settings = {"PENSTOCK_BODIES_BYTES_MAX": str(2 * MIB), "PENSTOCK_BODY_BYTES_MAX": str(2 * MIB)}
    async with Gateway.running(nats.url, tmp_path, **settings) as scene.gateway:
        await scene.serve("main", scaling=ONE, **LONG)
        await scene.serve(
            "slow", scaling={**ONE, "concurrencyPerReplica": 1}, limits={"queueTimeoutSeconds": 120}, **SLOW
        )
        await scene.serve("auto")
        await scene.serve("priced", scaling=ONE, providers=[BROKEN | {"priority": 0}, PRICED | {"priority": 1}])
        targets = {
            "gateway": scene.gateway.client.base_url.netloc.decode(),
            "operator": scene.operator.address,
            "worker": await scene.worker("priced"),
        }
        prometheus = Prometheus(tmp_path / "prometheus", targets)
        table = AlertTable(prometheus)
        try:
            await prometheus.ready()
            await _dashboard_has_data(scene, prometheus)
            await table.check([*_of_usage_and_rights(scene), *_of_routes(scene)])
            await table.check(_of_broker(scene))
            await table.check(_of_outages(scene))
            await table.check(_of_processes(scene))
        finally:
            await scene.stop_all()
            await scene.remove_second_namespace()
            await prometheus.end()
            print(f"\n{table.text()}")  # noqa: T201 - the result of `make test-alerts`


SLOW = {"providers": [{"name": "slow", "type": "Simulated", "simulated": {"tokens": 1, "firstTokenSeconds": 0.7}}]}
LONG = {"providers": [{"name": "long", "type": "Simulated", "simulated": {"tokens": 400}}]}
PRICED = {
    "name": "priced",
    "type": "Simulated",
    "simulated": {"tokens": 4},
    "prices": {"inputPerMillion": "1", "outputPerMillion": "2"},
}
BROKEN = {"name": "broken", "type": "Simulated", "simulated": {"tokens": 4, "errorAtToken": 0}}


async def _dashboard_has_data(scene: AlertScene, prometheus: Prometheus) -> None:
    """Every panel of the dashboard shows something after some requests, also after failed ones."""
    scene.keep("load", lambda: scene.gateway.request("priced"))
    scene.keep("load", lambda: scene.gateway.request("auto"))
    scene.keep("load", lambda: scene.gateway.request("of no route"))
    empty: dict[str, str] = {}

    decisions = f'penstock_scaling_decisions_total{{penstock_reason="Manual", penstock_route="{scene.namespace}.auto"}}'

    async def scraped() -> bool:
        found = await prometheus.query(decisions)
        return [one["value"][1] for one in found] == ["0"]

    # The route's first decision of this reason: its series begins with 0, so that an increase shows.
    await until(scraped, "the operator was scraped")
    await scene.change("auto", scaling={"mode": "Manual", "replicas": 2})
    # Prometheus scrapes each half second here.
    dashboard = GrafanaDashboard("5s")
    values: dict[str, list[str]] = {}
    shown: set[str] = set()
    """Queries with data since the load began: a change of the number of workers shows for five seconds."""

    async def filled() -> bool:
        values.update(await dashboard.variables(prometheus.label_values))
        empty.clear()
        empty.update({name: "the variable has no value" for name, found in values.items() if not found})
        for one in () if empty else dashboard.queries(values):
            name = f"{one.panel} {one.letter}"
            if name in shown:
                continue
            series = await prometheus.query(one.expression)
            if series and all(one.name(found["metric"]).strip() for found in series):
                shown.add(name)
            else:
                empty[name] = one.expression
        return not empty

    try:
        # The gateway reads the size of the store of usage records every half minute.
        await until(filled, "every query of the dashboard has data", timeout_s=60)
    except TimeoutError:
        pytest.fail(f"no data, or series without a name: {empty}")
    finally:
        await scene.stop("load")
    assert values["namespace"] == values["worker_namespace"] == [NAMESPACE]
    assert set(values["route"]) >= {f"{scene.namespace}.priced", f"{scene.namespace}.auto"}
    await scene.remove("priced")


def _of_routes(scene: AlertScene) -> list[AlertedFault]:
    async def wait_for_workers() -> None:
        await scene.create("parked", scaling=NONE, limits={"queueTimeoutSeconds": 1})
        await scene.gateway.has_model("parked")
        scene.keep("parked", lambda: scene.gateway.request("parked"))

    async def large_bodies() -> None:
        body = {**question("parked", stream=False), "metadata": {"a": "x" * MIB}}
        scene.keep("large", lambda: scene.gateway.client.post("/v1/chat/completions", json=body), count=3)

    async def wrong_key() -> None:
        await scene.api.create(SECRETS.at(scene.namespace), _secret("schlüssel"))
        ref = {"secretKeyRef": {"name": "scripted", "key": "key"}}
        await scene.serve("refused", scaling=ONE, providers=[provider("p", "https://provider.example/v1", **ref)])
        scene.keep("refused", lambda: scene.gateway.request("refused"))

    async def broken_provider() -> None:
        await scene.serve("broken", scaling=ONE, providers=[BROKEN])
        scene.keep("broken", lambda: scene.gateway.request("broken"))

    async def no_image() -> None:
        await scene.create("imageless", scaling=ONE, worker={"image": "test/none:1"})

    async def slow_worker() -> None:
        async def requests() -> None:
            await asyncio.gather(*(scene.gateway.request("slow") for _ in range(60)))

        scene.keep("slow", requests)

    async def kill() -> None:
        scene.keep("main", lambda: scene.gateway.request("main", stream=True), count=3)
        scene.keep("main", lambda: scene.kill_workers("main"), pause_s=4)

    return [
        AlertedFault(
            "one worker for 60 requests of 0.7 s", slow_worker, lambda: scene.remove("slow"), {"PenstockQueueSlow": 40}
        ),
        AlertedFault(
            "a route without workers gets requests",
            wait_for_workers,
            lambda: scene.remove("parked"),
            {"PenstockRequestsNotTaken": 10},
        ),
        AlertedFault(
            "more bytes of requests than a gateway may hold",
            large_bodies,
            lambda: scene.stop("large"),
            {"PenstockMemoryFull": 10},
        ),
        AlertedFault(
            "a provider's key is refused",
            wrong_key,
            lambda: scene.remove("refused"),
            {"PenstockProviderRefuses": 10},
        ),
        AlertedFault(
            "a provider fails every request",
            broken_provider,
            lambda: scene.remove("broken"),
            {"PenstockRouteDegraded": 10},
        ),
        AlertedFault(
            "a worker's image does not exist",
            no_image,
            lambda: scene.remove("imageless"),
            {"PenstockWorkersMissing": 15, "PenstockRouteNotReady": 10},
        ),
        AlertedFault(
            "a worker with open streams is killed", kill, lambda: scene.remove("main"), {"PenstockStreamsBroken": 20}
        ),
    ]


def _of_usage_and_rights(scene: AlertScene) -> list[AlertedFault]:
    async def fill_usage() -> None:
        async with scene.jetstream() as jetstream:
            for number in range(9):
                await jetstream.publish(f"penstock.usage.test.filler.{number}", b"x" * 100_000)

    async def empty_usage() -> None:
        async with scene.jetstream() as jetstream:
            await jetstream.purge_stream("USAGE")

    return [
        # The gateway reads the size of the store every half minute.
        AlertedFault(
            "the store of usage records is nearly full", fill_usage, empty_usage, {"PenstockUsageNearlyFull": 50}
        ),
        AlertedFault(
            "the operator's Role in a namespace is removed",
            scene.revoke,
            scene.grant,
            {"PenstockNamespaceNotServed": 20, "PenstockOperatorErrors": 35},
        ),
    ]


def _of_broker(scene: AlertScene) -> list[AlertedFault]:
    async def fill() -> None:
        async with scene.jetstream() as jetstream:
            await jetstream.add_stream(name="FILL", subjects=["fill"], storage=StorageType.MEMORY)
            for _ in range(75):
                await jetstream.publish("fill", b"x" * 6_000_000)

    async def empty() -> None:
        async with scene.jetstream() as jetstream:
            await jetstream.delete_stream("FILL")

    return [AlertedFault("JetStream's memory is nearly full", fill, empty, {"PenstockBrokerNearlyFull": 10})]


def _of_outages(scene: AlertScene) -> list[AlertedFault]:
    async def kill_nats() -> None:
        scene.nats.kill()

    return [
        AlertedFault(
            "the broker is away",
            kill_nats,
            scene.restart_nats,
            {"PenstockBrokerAway": 5, "PenstockBrokerServerDown": 5},
        )
    ]


def _of_processes(scene: AlertScene) -> list[AlertedFault]:
    async def kill_operator() -> None:
        scene.operator.process.kill()

    async def start_operator() -> None:
        port = scene.operator.address.rpartition(":")[2]
        scene.operator = await scene.operators.start(ready=False, PENSTOCK_PROBE_PORT=port, **scene.environment)

    async def kill_gateway() -> None:
        await scene.gateway.process.end()

    async def start_gateway() -> None:
        scene.gateway.restart()

    return [
        AlertedFault("no operator runs", kill_operator, start_operator, {"PenstockNobodyLeads": 20}),
        AlertedFault("no gateway runs", kill_gateway, start_gateway, {"PenstockGatewaysDown": 10}),
    ]


def _secret(value: str) -> dict[str, Any]:
    return {"metadata": {"name": "scripted"}, "data": {"key": base64.b64encode(value.encode()).decode()}}
