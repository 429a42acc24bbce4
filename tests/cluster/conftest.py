"""Fixtures of the tests on a real API server. One cluster with one node per run, one namespace per test.

`api` and `kubectl` work on every cluster; `kubelet` (pods that run) and `cluster.plane` (an API server to stop) need a
cluster of the harness, and skip the test on a given one. `nats` is a broker of the test's own, `operator`
the operator between all of these, and `operators` starts more of them, or one with other settings.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from harness.faults import outcome
from harness.kubernetes import shared
from harness.kubernetes.api import NAMESPACES, PODS, Api
from harness.kubernetes.chart_objects import VARIANTS
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.helm import Helm
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.kubelet import Kubelet
from harness.kubernetes.operator_process import WORKER, OperatorProcess, Operators
from harness.nats_server import NatsServer

running: list[Cluster] = []
"""For the report of a failed test."""


def pytest_configure(config: pytest.Config) -> None:
    shared.share(config)
    config.pluginmanager.register(outcome)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # A group takes longest and runs in one worker: started last, it would leave the others without work.
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@contextlib.asynccontextmanager
async def started() -> AsyncIterator[Cluster]:
    """A cluster of the harness, with a node."""
    cluster = Cluster()
    running.append(cluster)
    try:
        await cluster.start()
        if cluster.is_own:
            await cluster.add_node()
        yield cluster
    finally:
        running.remove(cluster)
        cluster.end()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """The run's cluster: a stop of its API server affects all workers of the run."""
    cluster = await shared.joined(request.config)
    if cluster is None:
        async with started() as cluster:
            yield cluster
    else:
        running.append(cluster)
        yield cluster
        running.remove(cluster)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def own_cluster(request: pytest.FixtureRequest, shared_cluster: Cluster) -> AsyncIterator[Cluster]:
    """For tests that stop the API server or change what is the cluster's: no other worker uses it."""
    if hasattr(request.config, "workerinput") and shared_cluster.is_own:
        async with started() as cluster:
            yield cluster
    else:
        yield shared_cluster


@pytest.fixture(scope="session")
def cluster(shared_cluster: Cluster) -> Cluster:
    """A module whose tests need `own_cluster` overrides this fixture with it."""
    return shared_cluster


@pytest.fixture
def kubelet(cluster: Cluster) -> Kubelet:
    """The cluster's node."""
    return cluster.kubelet


@pytest_asyncio.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    """The API server as admin."""
    async with cluster.api() as api:
        yield api


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    """The real kubectl as admin."""
    return cluster.kubectl


@pytest_asyncio.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own; afterwards nothing runs in it, drained or not."""
    name = f"test-{secrets.token_hex(4)}"
    await api.create(NAMESPACES.at(), {"metadata": {"name": name}})
    yield name
    await api.delete(NAMESPACES.at(name=name))
    # The namespace's own deletion gives pods their grace, ten minutes with a stream open.
    await api.delete(PODS.at(name), {"gracePeriodSeconds": 0})
    await api.until_all(PODS.at(name), lambda pods: not pods, "the namespace's pods are gone", timeout_s=30)


@pytest_asyncio.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A broker of the test's own: `url`, `port`, `kill()`, and `start()` with `await listening()` to have it back."""
    server = NatsServer(tmp_path)
    try:
        await server.listening()
        yield server
    finally:
        await server.process.end()


@pytest_asyncio.fixture
async def operators(
    cluster: Cluster, api: Api, namespace: str, nats: NatsServer, kubelet: Kubelet, tmp_path: Path
) -> AsyncIterator[Operators]:
    """To start operators for the test's namespace; their workers run on the node, by an image of the test's own."""
    image = f"test/worker:{namespace}"
    await kubelet.push(image, WORKER)
    operators = Operators(cluster, api, namespace, nats.url, image, tmp_path)
    yield operators
    await operators.close()


@pytest_asyncio.fixture
async def operator(operators: Operators) -> OperatorProcess:
    """One operator, ready."""
    return await operators.start()


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The real Helm, for what needs no cluster."""
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rendered(helm: Helm) -> Mapping[str, list[dict[str, Any]]]:
    """The chart's objects by the names of `VARIANTS`."""
    return {name: await helm.template(values) for name, values in VARIANTS.items()}


@pytest.fixture(params=VARIANTS)
def objects(request: pytest.FixtureRequest, rendered: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The chart's objects, once per variant."""
    return rendered[request.param]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and call.when in {"call", "setup", "teardown"}:
        fixtures = getattr(item, "funcargs", {})
        if (operators := fixtures.get("operators")) is not None:
            report.sections.append(("logs of the operators", operators.logs()))
        if (namespace := fixtures.get("namespace")) is not None:
            report.sections += [
                (f"logs of the pods in {namespace}", cluster.pod_logs(namespace)) for cluster in running
            ]
    return report
