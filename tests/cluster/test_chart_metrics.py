"""Dashboard and alerts use metrics and labels that the chart's real processes export."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from harness.kubernetes import promql
from harness.kubernetes.api import PODS, ROUTES, Api
from harness.kubernetes.chart_objects import named, of_kind
from harness.kubernetes.chart_release import Release
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.model_routes import model_route, served
from harness.plain_client import plain_client
from harness.processes import until
from prometheus_client.parser import text_string_to_metric_families

from penstock_gateway.usage import storage_monitor

pytestmark = pytest.mark.timeout(180)

OF_THE_SCRAPER = {"namespace", "pod"}
"""Labels that prometheus-operator puts on whatever a PodMonitor finds."""
PRICED = {
    "name": "simulated",
    "type": "Simulated",
    "simulated": {"tokens": 4},
    "prices": {"inputPerMillion": "1", "outputPerMillion": "2"},
}
BROKEN = {"name": "broken", "type": "Simulated", "simulated": {"tokens": 4, "errorAtToken": 0}, "priority": 0}

Series = dict[str, set[str]]
"""Labels by the name of a sample."""


@pytest_asyncio.fixture
async def release(cluster: Cluster, kubelet: Kubelet, api: Api, namespace: str, tmp_path: Path) -> Release:
    made = await Release.prepare(cluster, kubelet, api, namespace, tmp_path)
    await made.install(gateway={"replicas": 1}, operator={"replicas": 1}, nats={"persistence": {"enabled": False}})
    return made


def expressions(rendered: Mapping[str, Any]) -> list[str]:
    (rule,) = of_kind(rendered["everything"], "PrometheusRule")
    dashboard = named(rendered["everything"], "ConfigMap", "penstock-dashboard")
    found = [*promql.of_rules(rule), *promql.of_dashboard(dashboard)]
    assert len(found) > 25
    return found


def test_chart_metric_expressions_have_braces(rendered: Mapping[str, Any]) -> None:
    assert {name for one in expressions(rendered) for name in promql.unbraced(one)} == set()


def test_chart_dashboard_legends_name_the_grouping_labels(rendered: Mapping[str, Any]) -> None:
    (text,) = named(rendered["everything"], "ConfigMap", "penstock-dashboard")["data"].values()
    targets = [target for panel in json.loads(text)["panels"] for target in panel.get("targets", [])]
    assert targets
    for target in targets:
        grouped = set(re.findall(r"\w+", " ".join(promql.GROUPING.findall(target["expr"]))))
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == grouped - {"le"}, target


async def test_chart_dashboard_and_rules_use_existing_metrics_and_labels(
    release: Release, api: Api, namespace: str, rendered: Mapping[str, Any]
) -> None:
    await api.create(ROUTES.at(namespace), model_route(providers=[BROKEN, PRICED | {"priority": 1}]))
    await api.until(ROUTES.at(namespace, "main"), served, "the route is served")
    async with await release.client() as client:
        for model, status in (("simulated", 200), ("nobody's", 404)):
            body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
            answered = await client.post("/v1/chat/completions", json=body)
            assert answered.status_code == status, answered.text

    # The pods of this cluster have no DNS, so the operator cannot reach NATS' monitoring endpoint; test_alerts has it.
    requested = [
        use
        for one in expressions(rendered)
        for use in promql.uses(one)
        if not use.metric.startswith("penstock_nats_") or use.metric == "penstock_nats_up"
    ]

    async def missing() -> list[str]:
        logged = await _reported(release, api, namespace)
        return [
            f"{use.metric} {sorted(use.labels - logged.get(use.metric, set()) - OF_THE_SCRAPER)}"
            for use in requested
            if use.metric not in logged or use.labels - logged[use.metric] - OF_THE_SCRAPER
        ]

    # A request's last row and a route's status are counted a moment after its answer, and a gateway that was there
    # before the size of the usage store is read again after `stock.EVERY_S`.
    last: list[str] = []

    async def complete() -> bool:
        last[:] = await missing()
        return not last

    try:
        await until(complete, "all metrics are exported", timeout_s=storage_monitor.EVERY_S + 20)
    except TimeoutError:
        pytest.fail("\n".join(last))


async def _reported(release: Release, api: Api, namespace: str) -> Series:
    """Metrics of a gateway, the operator and a worker, on the ports of the PodMonitors."""
    workers = await api.list(PODS.at(namespace), labelSelector="app.kubernetes.io/name=penstock-worker")
    series: Series = {}
    async with plain_client() as client:
        for pod in [*await release.pods("gateway"), *await release.pods("operator"), *workers]:
            answer = await client.get(f"http://{pod['status']['podIP']}:8081/metrics")
            for family in text_string_to_metric_families(answer.raise_for_status().text):
                for sample in family.samples:
                    series.setdefault(sample.name, set()).update(sample.labels)
    return series
