"""Pods and the kubelet are killed while streams are open: each stream ends as documented, and service returns.

Twenty clients of the official SDK read at that time, ten at each gateway. Afterwards a new request is answered, and
so is one for a route without workers, which needs operator, scheduler and kubelet too. A table is printed at the end.
"""

import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import pytest
import pytest_asyncio
from harness.kubernetes.api import DEPLOYMENTS, LEASES, PODS, ROUTES, Api, Manifest
from harness.kubernetes.node import pod_processes
from harness.kubernetes.node.cluster import RealCluster
from harness.kubernetes.node.installation import Installation
from harness.kubernetes.node.node import Node
from harness.kubernetes.readiness import is_ready
from harness.processes import until
from harness.streams.client_group import ClientGroup
from harness.streams.reader import CONNECTION_LOST, Ending
from harness.streams.simulated_route import simulated_route
from harness.streams.stream_report import PROPERTY, StreamReport
from harness.streams.usage_rows import usage_rows

from penstock_contract.usage.record import UsageRow

WARM, COLD = "warm", "cold"
WORKERS = 2
PER_SECOND = 10
LENGTHS = [100] * 10
"""In tokens, at each gateway: longer than a broker may be absent, and than every detection of a loss."""
LOST_WITHIN_S = 6.0
"""Three and a half heartbeats, and the time to check and to publish."""
SERVED_WITHIN_S = 40.0
READY_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def routes(cluster: RealCluster, installed: Installation) -> AsyncIterator[None]:
    """A route with workers, and one that scales from zero with a request and back soon."""
    scaling = {
        WARM: {"mode": "Manual", "replicas": WORKERS},
        COLD: {"stableWindowSeconds": 2, "panicWindowSeconds": 1, "scaleToZeroAfterSeconds": 0},
    }
    collection = ROUTES.at(installed.namespace)
    async with cluster.api() as api:
        for name, scaled in scaling.items():
            await api.create(collection, simulated_route(name, per_second=PER_SECOND, scaling=scaled))
        yield
        for name in scaling:
            await api.delete(f"{collection}/{name}")
            await api.gone(f"{collection}/{name}")
        await renew(installed, api)


async def renew(release: Installation, api: Api) -> None:
    """Replace the killed pods: the following tests need the release as it was installed."""
    for pod in await release.pods(api):
        if any(container["restartCount"] for container in pod["status"]["containerStatuses"]):
            await api.delete(PODS.at(release.namespace, pod["metadata"]["name"]))
    for component in ("gateway", "operator"):
        await release.kubectl("rollout", "status", f"deployment/{release.name}-{component}", timeout_s=READY_S)


class Stage:
    """The release, and clients of each of its gateways: `gateways` are their pods, `client_groups` the clients."""

    def __init__(self, release: Installation, api: Api, record: Callable[[str, object], None]) -> None:
        self.release, self.api = release, api
        self._record = record
        self.gateways: list[Manifest] = []
        self.client_groups: list[ClientGroup] = []

    async def prepare(self) -> None:
        """Everything is there: two gateways, the workers of one route, and none of the other."""
        await self.ready(f"penstock.dev/route={WARM}", WORKERS)
        self.gateways = await self.ready(self.component("gateway"), 2)
        await self.serves(WARM)
        await self.api.until(
            DEPLOYMENTS.at(self.release.namespace, f"{COLD}-worker"),
            lambda one: not one["spec"].get("replicas") and not one["status"].get("replicas"),
            "the cold route has no worker",
            timeout_s=READY_S,
        )

    @contextlib.asynccontextmanager
    async def kill(self, name: str) -> AsyncIterator[None]:
        """The block kills a process; at its end all clients have read to their ends, and service is back."""
        await self.prepare()
        key = await self.release.secret("first-key")
        async with contextlib.AsyncExitStack() as reading:
            for pod in self.gateways:
                client_group = ClientGroup(f"http://{pod['status']['podIP']}:8080", key, WARM, LENGTHS, again=False)
                self.client_groups.append(await reading.enter_async_context(client_group))
            open_ = sum(client_group.open for client_group in self.client_groups)
            began = time.monotonic()
            yield
            seconds = time.monotonic() - began
            await self.serves(WARM)
            served_s = time.monotonic() - began
            await self.serves(COLD)
            woken_s = time.monotonic() - began
        stream_report = StreamReport.of(
            name, self.endings, open_=open_, seconds=seconds, served_s=served_s, woken_s=woken_s
        )
        self._record(PROPERTY, msgspec.to_builtins(stream_report))
        assert open_ == len(self.endings) == 2 * len(LENGTHS)

    @property
    def endings(self) -> list[Ending]:
        return [ending for client_group in self.client_groups for ending in client_group.endings]

    async def serves(self, model: str) -> None:
        """A new request is answered through the Service."""
        url, key = await self.release.gateway(), await self.release.secret("first-key")

        async def answered() -> bool:
            client_group = ClientGroup(url, key, model, [1], again=False)
            with contextlib.suppress(AssertionError):
                async with client_group:
                    pass
            return len(client_group.whole) == 1

        await until(answered, f"{model} is served", timeout_s=SERVED_WITHIN_S)

    async def rows(self) -> dict[str, UsageRow]:
        """The usage rows of these streams by request id, when all have ended."""
        ids = {ending.request_id for ending in self.endings}
        found: dict[str, UsageRow] = {}

        async def closed() -> bool:
            found.update({row.id: row for row in await usage_rows(self.release) if row.id in ids and row.ended})
            return found.keys() == ids

        await until(closed, "each stream has its usage row", timeout_s=READY_S)
        return found

    async def ready(self, selector: str, count: int) -> list[Manifest]:
        """Wait until there are so many pods, and all ready."""

        def found(pods: Sequence[Manifest]) -> list[Manifest]:
            return list(pods) if len(pods) == count and all(map(is_ready, pods)) else []

        path = PODS.at(self.release.namespace)
        what = f"{count} of {selector} are ready"
        return await self.api.until_all(path, found, what, timeout_s=READY_S, labelSelector=selector)

    def component(self, name: str) -> str:
        return f"app.kubernetes.io/instance={self.release.name},app.kubernetes.io/component={name}"


@pytest.fixture
def stage(release: Installation, api: Api, record_property: Callable[[str, object], None]) -> Stage:
    return Stage(release, api, record_property)


def kill(pod: Manifest) -> None:
    """`kill -9` of its processes, as the kernel does when there is no memory."""
    pids = pod_processes.pids(pod)
    if not pids:
        pytest.skip("needs a node whose processes can be seen from here")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def test_worker_killed_ends_its_streams_with_worker_lost_and_no_others(stage: Stage) -> None:
    async with stage.kill("a worker is killed"):
        (victim, _) = await stage.release.workers(stage.api, WARM)
        kill(victim)
        killed_at = time.monotonic()
    rows = await stage.rows()
    its = {id_ for id_, row in rows.items() if row.worker == victim["metadata"]["name"]}
    lost = [ending for ending in stage.endings if ending.error]
    assert its == {ending.request_id for ending in lost}
    assert 0 < len(lost) < len(stage.endings)
    assert {ending.error for ending in lost} == {"worker_lost"}
    assert {rows[id_].ended for id_ in its} == {"worker_lost"}
    assert max(ending.at for ending in lost) - killed_at < LOST_WITHIN_S


async def test_gateway_killed_has_its_calls_ended(stage: Stage) -> None:
    async with stage.kill("a gateway is killed"):
        victim = stage.gateways[0]
        kill(victim)
    broken, others = stage.client_groups
    assert [ending.error for ending in broken.endings] == [CONNECTION_LOST] * len(LENGTHS)
    assert not others.cut, others.cut
    rows = await stage.rows()
    assert {rows[ending.request_id].ended for ending in broken.endings} == {"gateway_lost"}


async def test_broker_killed_is_back_before_streams_end(stage: Stage) -> None:
    (broker,) = await stage.ready(stage.component("nats"), 1)
    async with stage.kill("the broker's pod is killed"):
        path = PODS.at(stage.release.namespace, broker["metadata"]["name"])
        kill(broker)
        # And not only its process: what comes has another address.
        await stage.api.delete(path, {"gracePeriodSeconds": 0})
        await stage.api.until(
            path, lambda pod: is_ready(pod) and pod["metadata"]["uid"] != broker["metadata"]["uid"], "a new broker"
        )
    assert not [ending for ending in stage.endings if ending.error]


async def test_leader_killed_ends_no_stream(stage: Stage) -> None:
    lease = await stage.api.get(LEASES.at(stage.release.namespace, "penstock-operator"))
    leader = await stage.api.get(PODS.at(stage.release.namespace, lease["spec"]["holderIdentity"]))
    async with stage.kill("the operators' leader is killed"):
        kill(leader)
    assert not [ending for ending in stage.endings if ending.error]


async def test_kubelet_restart_ends_no_stream(stage: Stage, node: Node) -> None:
    before = await stage.release.pods(stage.api)
    async with stage.kill("the kubelet is restarted"):
        node.kubelet.process.kill()
        node.kubelet.start()
        await node.kubelet.ready(stage.api)
    assert not [ending for ending in stage.endings if ending.error]
    assert ids(await stage.release.pods(stage.api)) == ids(before)


def ids(pods: Sequence[Manifest]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}
