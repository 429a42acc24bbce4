"""A broker of three servers: one is killed, all are rolled; clients with the SDK's own retries see no error.

It needs a release of its own, because the streams of a single server cannot become replicated.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
import pytest_asyncio
from harness.kubernetes.api import PODS, ROUTES, Api
from harness.kubernetes.model_routes import condition
from harness.kubernetes.node.cluster import RealCluster
from harness.kubernetes.node.installation import Installation
from harness.kubernetes.readiness import is_ready
from harness.streams.client_group import ClientGroup
from harness.streams.simulated_route import simulated_route
from harness.streams.stream_report import PROPERTY, StreamReport

from penstock_contract import subjects

ROUTE = "three"
LENGTHS = [80 + 5 * seat for seat in range(10)]
RETRIES = 2
"""The SDK's default."""
SERVERS = 3
DONE_S = 180.0

Reported = Callable[[str], contextlib.AbstractAsyncContextManager[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def release(cluster: RealCluster, installed: Installation) -> AsyncIterator[Installation]:
    """A second release; the CustomResourceDefinition is the first one's."""
    del installed
    release = Installation(cluster, "penstock-three")
    async with cluster.api() as api:
        await release.install(
            crds={"enabled": False},
            nats={"replicas": SERVERS, "jetstream": {"storage": "file"}},
            gateway={"replicas": 1},
            operator={"replicas": 1},
        )
        manifest = simulated_route(ROUTE, per_second=10, scaling={"mode": "Manual", "replicas": 1})
        await api.create(ROUTES.at(release.namespace), manifest)
        path = ROUTES.at(release.namespace, ROUTE)
        await api.until(path, lambda one: condition(one, "Ready").startswith("True"), "the route is ready")
        yield release
        await release.uninstall()


@pytest.fixture
def reported(release: Installation, record_property: Callable[[str, object], None]) -> Reported:
    @contextlib.asynccontextmanager
    async def nothing_is_noticed(name: str) -> AsyncIterator[None]:
        url, key = await release.gateway(), await release.secret("first-key")
        async with ClientGroup(url, key, ROUTE, LENGTHS, retries=RETRIES) as client_group:
            open_, began = client_group.open, time.monotonic()
            yield
            seconds = time.monotonic() - began
        stream_report = StreamReport.of(name, client_group.endings, open_=open_, seconds=seconds)
        record_property(PROPERTY, msgspec.to_builtins(stream_report))
        assert open_ == len(LENGTHS)
        assert not client_group.cut, client_group.cut[:5]

    return nothing_is_noticed


async def all_ready(release: Installation, api: Api, without: set[str]) -> None:
    """Wait until there are three ready servers, none of which is of these uids."""
    await api.until_all(
        PODS.at(release.namespace),
        lambda pods: (
            len(pods) == SERVERS and all(map(is_ready, pods)) and not without & {pod["metadata"]["uid"] for pod in pods}
        ),
        "three servers are ready",
        timeout_s=DONE_S,
        labelSelector="app.kubernetes.io/component=nats",
    )


async def test_broker_cluster_survives_a_killed_server(release: Installation, api: Api, reported: Reported) -> None:
    pods = await release.pods(api, "nats")
    assert len(pods) == SERVERS
    # The queue's leader, whose loss has the largest effect.
    victim = pods[await leader(release)]
    async with reported("kill the leading one of three brokers"):
        await api.delete(PODS.at(release.namespace, victim["metadata"]["name"]), {"gracePeriodSeconds": 0})
        await all_ready(release, api, {victim["metadata"]["uid"]})


async def test_broker_cluster_rolls_without_an_interruption(
    release: Installation, api: Api, reported: Reported
) -> None:
    old = {pod["metadata"]["uid"] for pod in await release.pods(api, "nats")}
    async with reported("roll three brokers"):
        await release.kubectl("rollout", "restart", f"statefulset/{release.name}-nats")
        await all_ready(release, api, old)


async def leader(release: Installation) -> int:
    """The leader of the route's queue, as the servers report it."""
    name = f"{release.name}-nats-0"
    raw = await release.kubectl(
        "get", "--raw", f"/api/v1/namespaces/{release.namespace}/pods/{name}:8222/proxy/jsz?streams=true&accounts=true"
    )
    accounts = msgspec.json.decode(raw)["account_details"]
    streams = {one["name"]: one for account in accounts for one in account.get("stream_detail", [])}
    lead: str = streams[subjects.queue(release.namespace, ROUTE)]["cluster"]["leader"]
    return int(lead.rpartition("-")[2])
