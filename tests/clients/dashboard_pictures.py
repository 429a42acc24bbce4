"""Draws the chart's dashboard for the docs: `make pictures`. Its own queries, on a real Prometheus, of real processes.

Not Grafana, which no registry of packages has: panels, titles, units and legends are the dashboard's, the drawing is
uPlot's, the library that Grafana's panels use.
"""

import asyncio
import base64
import contextlib
import math
import random
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from browser import Browser
from harness.gateway import Gateway
from harness.grafana_dashboard import GrafanaDashboard, Query
from harness.kubernetes.api import NAMESPACES, PODS, ROUTES, Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.model_routes import model_route, served
from harness.kubernetes.operator_process import WORKER, OperatorProcess, Operators
from harness.nats_server import NatsServer
from harness.prometheus import NAMESPACE, Prometheus
from library_process import INSTALLED

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "dashboard.png"
PAGE = Path(__file__).with_name("dashboard.html")
UPLOT = INSTALLED / "node" / "node_modules" / "uplot" / "dist"
SHOWN_S = 240
STEP_S = 2
INTERVAL = "20s"
AUTO = {"minReplicas": 1, "maxReplicas": 3, "concurrencyPerReplica": 4, "stableWindowSeconds": 20}
ROUTES_SHOWN: dict[str, dict[str, Any]] = {
    "chat": {"pace": (90, 60, 0.25), "prices": ("2.5", "10"), "scaling": AUTO, "busiest": 9},
    "assistants": {"pace": (60, 40, 0.6), "prices": ("3", "15"), "scaling": {**AUTO, "maxReplicas": 2}, "busiest": 5},
    "summaries": {"pace": (40, 80, 0.1), "prices": ("0.3", "0.6"), "scaling": {"mode": "Manual", "replicas": 1}},
}
DRAW = random.Random(7)


def provider(name: str, pace: tuple[int, int, float], prices: tuple[str, str], **simulated: Any) -> dict[str, Any]:
    tokens, per_second, first = pace
    answers = {"tokens": tokens, "tokensPerSecond": per_second, "firstTokenSeconds": first, **simulated}
    costs = {"inputPerMillion": prices[0], "outputPerMillion": prices[1]}
    return {"name": name, "type": "Simulated", "simulated": answers, "prices": costs}


def route(name: str, pace: tuple[int, int, float], prices: tuple[str, str], scaling: dict[str, Any]) -> dict[str, Any]:
    providers = [{**provider("primary", pace, prices), "priority": 0}]
    if name == "summaries":
        # Some of its answers are the second provider's.
        failing = {**provider("spot", pace, prices, errorAtToken=0), "priority": 0, "weight": 1}
        providers = [{**providers[0], "weight": 3}, failing, {**provider("reserve", pace, prices), "priority": 1}]
    return model_route(name, models=(f"{name}-large",), providers=providers, scaling=scaling)


async def user(gateways: list[Gateway], name: str, number: int, busiest: int, started: float) -> None:
    """One request after another, in waves: user 3 of 9 is there during the upper part of each."""
    while True:
        wave = 0.55 - 0.45 * math.cos((time.monotonic() - started) * math.tau / 110)
        if number <= wave * busiest:
            model = f"{name}-large" if DRAW.random() > 0.03 else "unknown"
            await DRAW.choice(gateways).request(model, stream=True)
        await asyncio.sleep(DRAW.uniform(0.2, 1.2))


async def scraped(api: Api, operator: OperatorProcess, gateways: list[Gateway], prometheus: Prometheus) -> None:
    """Prometheus scrapes the workers that run, as a PodMonitor has it do."""
    while True:
        targets = {"penstock-operator-0": operator.address}
        for number, gateway in enumerate(gateways):
            targets[f"penstock-gateway-{number}"] = gateway.client.base_url.netloc.decode()
        for pod in await api.list(PODS.at(NAMESPACE), labelSelector="penstock.dev/route"):
            if (address := pod.get("status", {}).get("podIP")) is not None:
                targets[pod["metadata"]["name"]] = f"{address}:8081"
        prometheus.scrape(targets)
        await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def installation(directory: Path) -> AsyncIterator[Prometheus]:
    """A cluster with the routes under load, and a Prometheus that scrapes all of it."""
    cluster = Cluster()
    nats = NatsServer(directory, monitored=True)
    try:
        await cluster.start()
        kubelet = await cluster.add_node()
        await nats.listening()
        await kubelet.push("test/worker:picture", WORKER)
        async with cluster.api() as api, contextlib.AsyncExitStack() as stack:
            await api.create(NAMESPACES.at(), {"metadata": {"name": NAMESPACE}})
            operators = Operators(cluster, api, NAMESPACE, nats.url, "test/worker:picture", directory)
            stack.push_async_callback(operators.close)
            operator = await operators.start(PENSTOCK_NATS_MONITOR_URLS=nats.monitor)
            gateways = []
            for number in range(2):
                (directory / str(number)).mkdir()
                gateways.append(await stack.enter_async_context(Gateway.running(nats.url, directory / str(number))))
            prometheus = Prometheus(directory / "prometheus", {})
            stack.push_async_callback(prometheus.end)
            await prometheus.ready()
            for name, fields in ROUTES_SHOWN.items():
                await api.create(ROUTES.at(NAMESPACE), route(name, fields["pace"], fields["prices"], fields["scaling"]))
                await api.until(ROUTES.at(NAMESPACE, name), served, f"{name} is served")
            for gateway in gateways:
                await gateway.has_model("summaries-large")
            started = time.monotonic()
            tasks = [asyncio.create_task(scraped(api, operator, gateways, prometheus))]
            for name, fields in ROUTES_SHOWN.items():
                busiest = fields.get("busiest", 3)
                tasks += [asyncio.create_task(user(gateways, name, one, busiest, started)) for one in range(busiest)]
            try:
                yield prometheus
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await nats.process.end()
        cluster.end()


async def series(prometheus: Prometheus, query: Query, times: list[int]) -> list[dict[str, Any]]:
    found = await prometheus.range(query.expression, times[0], times[-1], STEP_S)
    assert found, f"{query.panel}: no data for {query.expression}"
    drawn = []
    for one in found:
        values = {int(at): float(value) for at, value in one["values"]}
        known = [None if (value := values.get(at)) is None or math.isnan(value) else value for at in times]
        drawn.append({"name": query.name(one["metric"]), "values": known})
    return sorted(drawn, key=lambda one: str(one["name"]))


async def panels(prometheus: Prometheus, times: list[int]) -> list[dict[str, Any]]:
    dashboard = GrafanaDashboard(INTERVAL)
    queries = list(dashboard.queries(await dashboard.variables(prometheus.label_values)))
    drawn = []
    for panel in dashboard.json["panels"]:
        own = [
            one for query in queries if query.panel == panel["title"] for one in await series(prometheus, query, times)
        ]
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        fields = {"type": panel["type"], "title": panel["title"], "at": panel["gridPos"]}
        drawn.append({**fields, "unit": unit, "series": own})
    return drawn


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with installation(Path(directory)) as prometheus:
            await asyncio.sleep(SHOWN_S + 20)
            end = int(time.time()) // STEP_S * STEP_S
            times = list(range(end - SHOWN_S, end, STEP_S))
            drawn = await panels(prometheus, times)
    browser = await Browser.start()
    try:
        async with browser.page(viewport={"width": 1440, "height": 900}) as page:
            code = """
            await page.goto(args.url)
            await page.addStyleTag({ path: args.uplot + '/uPlot.min.css' })
            await page.addScriptTag({ path: args.uplot + '/uPlot.iife.min.js' })
            await page.evaluate((drawn) => draw(drawn), args.drawn)
            return (await page.screenshot({ fullPage: true })).toString('base64')
            """
            data = {"panels": drawn, "times": times}
            picture = await page.run(code, url=PAGE.as_uri(), uplot=str(UPLOT), drawn=data)
        assert not page.record.problems, page.record.problems
        PICTURE.write_bytes(base64.b64decode(picture))
    finally:
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
