"""Watches that break, and watches that are silent without having broken: opened again, and nothing is missed."""

import time

import pytest
from harness.kubernetes.api import DEPLOYMENTS, ROUTES, Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.model_routes import catalogue_of, model_route, served
from harness.kubernetes.operator_process import Operators
from harness.link import Link
from harness.nats_server import NatsServer
from harness.processes import until

pytestmark = pytest.mark.xdist_group("api-server")

SILENCE_S = 8.0
"""The setting's default: what is silent for longer is opened again."""
PATIENT = {"PENSTOCK_LEASE_RENEW_DEADLINE_S": "100", "PENSTOCK_LEASE_DURATION_S": "120"}
"""For tests that take the API server away for longer than a leader would stay."""


@pytest.fixture(scope="module")
def cluster(own_cluster: Cluster) -> Cluster:
    """A cluster whose API server may be stopped."""
    return own_cluster


async def test_watch_that_is_silent_is_reopened_by_the_same_process(
    api: Api, cluster: Cluster, namespace: str, operators: Operators
) -> None:
    link = await Link.start(cluster.plane.port)
    try:
        operator = await operators.start(server=f"https://127.0.0.1:{link.port}")
        await api.create(ROUTES.at(namespace), model_route())
        await api.until(ROUTES.at(namespace, "main"), served, "it is served")
        link.strand()
        began = time.monotonic()
        await api.create(ROUTES.at(namespace), model_route("next", models=("next",)))
        await api.until(ROUTES.at(namespace, "next"), served, "the new route is seen", timeout_s=SILENCE_S + 8)
        took_s = time.monotonic() - began
        assert (await operator.get("/livez")).status_code == 200
        assert (await operator.get("/readyz")).status_code == 200
        assert operator.process.events("operator.leading") != []
        assert operator.process.events("operator.watch_restarted") == []
        print(f"seen {took_s:.1f} s after the connections went silent")  # noqa: T201 - the measured time is part of the report
    finally:
        await link.close()


async def test_watch_reports_deletions_after_a_long_interruption(
    api: Api, cluster: Cluster, namespace: str, nats: NatsServer, operators: Operators
) -> None:
    link = await Link.start(cluster.plane.port)
    try:
        operator = await operators.start(server=f"https://127.0.0.1:{link.port}", **PATIENT)
        for name in ("goes", "stays"):
            await api.create(ROUTES.at(namespace), model_route(name, models=(name,)))
            await api.until(ROUTES.at(namespace, name), served, "it is served")
        link.cut()
        await api.delete(ROUTES.at(namespace, "goes"))
        # A server that has just started has no history: it responds with 410 to a watch that resumes.
        cluster.plane.api_server.kill()
        await until(lambda: not cluster.plane.api_server.alive, "the API server is gone")
        cluster.plane.start_api_server()
        await cluster.plane.api_server_ready()
        async with catalogue_of(nats.url) as catalogue:
            assert f"{namespace}.goes" in catalogue
            await link.mend()
            await until(lambda: f"{namespace}.goes" not in catalogue, "the deletion was found", timeout_s=30)
            assert f"{namespace}.stays" in catalogue
        assert operator.process.alive
        await api.create(ROUTES.at(namespace), model_route("next", models=("next",)))
        await api.until(ROUTES.at(namespace, "next"), served, "events come again")
    finally:
        await link.close()


async def test_watch_resumes_after_a_closed_connection(
    api: Api, cluster: Cluster, namespace: str, operators: Operators
) -> None:
    link = await Link.start(cluster.plane.port)
    try:
        operator = await operators.start(server=f"https://127.0.0.1:{link.port}")
        await api.create(ROUTES.at(namespace), model_route())
        await api.until(ROUTES.at(namespace, "main"), served, "it is served")
        link.cut()
        await api.delete(DEPLOYMENTS.at(namespace, "main-worker"))
        await link.mend()
        await api.until(DEPLOYMENTS.at(namespace, "main-worker"), lambda _: True, "it is made again", timeout_s=10)
        assert operator.process.alive
    finally:
        await link.close()
