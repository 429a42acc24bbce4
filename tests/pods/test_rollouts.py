"""Fifty open streams while workers and gateways are rolled, evicted and scaled: none is truncated.

The clients use the official SDK, check each token, and send further requests during the change: so requests that
begin in the middle of it must be answered too. A table of all is printed at the end of the run.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import pytest
import pytest_asyncio
from harness.kubernetes.api import BUDGETS, PODS, ROUTES, Api, ApiError, Manifest
from harness.kubernetes.node.cluster import RealCluster
from harness.kubernetes.node.installation import Installation
from harness.kubernetes.readiness import is_ready
from harness.streams.client_group import ClientGroup
from harness.streams.simulated_route import simulated_route
from harness.streams.stream_report import PROPERTY, StreamReport

ROUTE = "paced"
STREAMS = 50
PER_SECOND = 10
LENGTHS = [30 + seat // 2 for seat in range(STREAMS)]
"""In tokens: from three to five and a half seconds, so that some end at any time."""
FEW, MANY = 3, 10
DONE_S = 120.0
"""For one change: its new pods on a small machine, and the longest stream of its old ones."""

WORKERS = f"penstock.dev/route={ROUTE}"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def route(cluster: RealCluster, installed: Installation) -> AsyncIterator[None]:
    """One for all stories, with a few workers."""
    manifest = simulated_route(ROUTE, per_second=PER_SECOND, scaling={"mode": "Manual", "replicas": FEW})
    path = ROUTES.at(installed.namespace, ROUTE)
    async with cluster.api() as api:
        await api.create(ROUTES.at(installed.namespace), manifest)
        yield
        await api.delete(path)
        await api.gone(path)


class Stage:
    """The release with its workers, and clients in front of it."""

    def __init__(self, release: Installation, api: Api, record: Callable[[str, object], None]) -> None:
        self.release, self.api = release, api
        self._record = record

    async def scaled(self, replicas: int) -> None:
        """Returns when there are so many workers and no others."""
        await self.scale(replicas)
        await self.workers_are(lambda pods: len(pods) == replicas and all(map(is_ready, pods)), f"{replicas} workers")

    async def scale(self, replicas: int) -> None:
        """As a person does."""
        await self.release.kubectl("scale", f"modelroute/{ROUTE}", f"--replicas={replicas}")

    async def workers(self) -> list[Manifest]:
        return await self.api.list(PODS.at(self.release.namespace), labelSelector=WORKERS)

    async def workers_are(self, holds: Callable[[Sequence[Manifest]], bool], what: str) -> None:
        """Wait until it holds of all workers' pods, of those that are going too."""
        path = PODS.at(self.release.namespace)
        await self.api.until_all(path, holds, what, timeout_s=DONE_S, labelSelector=WORKERS)

    async def gateways(self) -> set[str]:
        """Their uids, of those that are going too."""
        selector = "app.kubernetes.io/component=gateway"
        pods = await self.api.list(PODS.at(self.release.namespace), labelSelector=selector)
        return {pod["metadata"]["uid"] for pod in pods}

    async def gateways_gone(self, uids: set[str]) -> None:
        path, selector = PODS.at(self.release.namespace), "app.kubernetes.io/component=gateway"

        def none_left(pods: Sequence[Manifest]) -> bool:
            return not uids & {pod["metadata"]["uid"] for pod in pods}

        await self.api.until_all(path, none_left, "the old gateways are gone", timeout_s=DONE_S, labelSelector=selector)

    @contextlib.asynccontextmanager
    async def nothing_is_cut(self, name: str) -> AsyncIterator[None]:
        """While the block does it."""
        url, key = await self.release.gateway(), await self.release.secret("first-key")
        async with ClientGroup(url, key, ROUTE, LENGTHS) as client_group:
            open_, began = client_group.open, time.monotonic()
            yield
            seconds = time.monotonic() - began
        stream_report = StreamReport.of(name, client_group.endings, open_=open_, seconds=seconds)
        self._record(PROPERTY, msgspec.to_builtins(stream_report))
        assert open_ == STREAMS
        assert not client_group.cut, client_group.cut[:5]


@pytest.fixture
def stage(release: Installation, api: Api, record_property: Callable[[str, object], None]) -> Stage:
    return Stage(release, api, record_property)


def uids(pods: Sequence[Manifest]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


async def test_rollout_of_workers_ends_no_stream(stage: Stage) -> None:
    await stage.scaled(FEW)
    old = uids(await stage.workers())
    async with stage.nothing_is_cut(f"roll {FEW} workers to a new template"):
        change = {"spec": {"worker": {"podAnnotations": {"example.com/colour": "green"}}}}
        await stage.api.patch(ROUTES.at(stage.release.namespace, ROUTE), change)
        await stage.workers_are(
            lambda pods: not old & uids(pods) and sum(map(is_ready, pods)) == FEW, "only new workers are left"
        )


async def test_eviction_of_each_worker_ends_no_stream(stage: Stage) -> None:
    await stage.scaled(FEW)
    pods = await stage.workers()
    async with stage.nothing_is_cut(f"evict each of {FEW} workers"):
        for pod in pods:
            await evict(stage.api, pod)
        old = uids(pods)
        await stage.workers_are(
            lambda pods: not old & uids(pods) and sum(map(is_ready, pods)) == FEW, "only new workers are left"
        )


async def test_rollout_of_gateways_ends_no_stream(stage: Stage) -> None:
    deployment = f"deployment/{stage.release.name}-gateway"
    await stage.scaled(FEW)
    old = await stage.gateways()
    async with stage.nothing_is_cut("roll the gateways"):
        await stage.release.kubectl("rollout", "restart", deployment)
        await stage.release.kubectl("rollout", "status", deployment, timeout_s=DONE_S)
        await stage.gateways_gone(old)


@pytest.mark.timeout(450)
async def test_rollout_of_an_upgrade_and_a_rollback_ends_no_stream(stage: Stage) -> None:
    await stage.scaled(FEW)
    release = stage.release
    old, gateways = uids(await stage.workers()), await stage.gateways()
    async with stage.nothing_is_cut("helm upgrade: another log level everywhere"):
        await release.install("--reuse-values", logLevel="WARNING")
        await stage.workers_are(
            lambda pods: not old & uids(pods) and sum(map(is_ready, pods)) == FEW, "only new workers are left"
        )
        await stage.gateways_gone(gateways)
    old, gateways = uids(await stage.workers()), await stage.gateways()
    async with stage.nothing_is_cut("helm rollback"):
        await release.helm("rollback", release.name, "--wait", namespace=release.namespace)
        await stage.workers_are(
            lambda pods: not old & uids(pods) and sum(map(is_ready, pods)) == FEW, "only new workers are left"
        )
        await stage.gateways_gone(gateways)


async def test_scaling_in_from_ten_workers_to_one_ends_no_stream(stage: Stage) -> None:
    await stage.scaled(MANY)
    async with stage.nothing_is_cut(f"scale {MANY} workers to 1"):
        await stage.scale(1)
        await stage.workers_are(lambda pods: len(pods) == 1, "one worker is left")


async def evict(api: Api, pod: Manifest) -> None:
    """As `kubectl drain` does: again when the route's budget allows it."""
    metadata = {name: pod["metadata"][name] for name in ("name", "namespace")}
    path = PODS.at(metadata["namespace"], metadata["name"], "eviction")
    budget = BUDGETS.at(metadata["namespace"], f"{ROUTE}-worker")
    while True:
        await api.until(budget, _allows_one, f"{metadata['name']} may go", timeout_s=DONE_S)
        try:
            await api.create(path, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
        except ApiError as error:
            if error.code != 429:
                raise
        else:
            return


def _allows_one(budget: Manifest) -> bool:
    return bool(budget.get("status", {}).get("disruptionsAllowed"))
