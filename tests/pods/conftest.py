"""Fixtures of the tests on real pods: one cluster and one release of the chart per run; what a test adds is its own.

`release` is installed in a namespace that enforces the `restricted` level, with the bundled models. Its Service is
reached as any program in the cluster reaches it. A test makes routes in its namespace by `route` and leaves the release
as it was: serving, with its two gateways. `node` is the machine under it, and skips the test on a given cluster.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

import pytest
import pytest_asyncio
from harness.kubernetes.api import ROUTES, Api, Manifest
from harness.kubernetes.kubectl import Kubectl
from harness.kubernetes.model_routes import condition
from harness.kubernetes.node.cluster import KEEP, RealCluster, cluster_at_hand
from harness.kubernetes.node.installation import Installation
from harness.kubernetes.node.node import Node
from harness.kubernetes.node.stopwatch import step
from harness.streams import stream_report

NAMESPACE = "penstock-test"
READY_S = 60.0

TEST_S = 300.0
"""The first test's setup has the whole cluster in it."""


Aloud = contextlib.AbstractContextManager[None]

running: list[RealCluster] = []
"""For the report of a failed test."""


class _Aloud:
    """Output inside the block goes to the terminal, whether the test passes or not."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture: Any = config.pluginmanager.getplugin("capturemanager")

    def __enter__(self) -> None:
        self._capture.suspend_global_capture()

    def __exit__(self, *_: object) -> None:
        self._capture.resume_global_capture()


@pytest.fixture(scope="session")
def aloud(request: pytest.FixtureRequest) -> Aloud:
    return _Aloud(request.config)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(aloud: Aloud) -> AsyncIterator[RealCluster]:
    async with contextlib.AsyncExitStack() as ending:
        with aloud:
            cluster = await ending.enter_async_context(cluster_at_hand())
        running.append(cluster)
        yield cluster
        running.remove(cluster)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installed(cluster: RealCluster, aloud: Aloud) -> AsyncIterator[Installation]:
    release = Installation(cluster, NAMESPACE)
    with aloud, step("install the chart"):
        await release.install(models={"enabled": True})
    yield release
    if cluster.node is None and KEEP not in os.environ:
        await release.uninstall()


@pytest.fixture
def release(installed: Installation) -> Installation:
    """The release, with every pod ready."""
    return installed


@pytest.fixture
def node(cluster: RealCluster) -> Node:
    """Its processes, to stop and to start; skips the test on a cluster that is not ours."""
    if cluster.node is None:
        pytest.skip("needs a node of its own, and another cluster is given")
    return cluster.node


@pytest_asyncio.fixture
async def api(cluster: RealCluster) -> AsyncIterator[Api]:
    """The API server as admin."""
    async with cluster.api() as api:
        yield api


@pytest.fixture
def kubectl(cluster: RealCluster) -> Kubectl:
    """The real kubectl as admin."""
    return cluster.kubectl


@pytest_asyncio.fixture
async def route(release: Installation, api: Api) -> AsyncIterator[Callable[[Manifest], Awaitable[Manifest]]]:
    """Makes a ModelRoute and waits until it is Ready; it goes with the test, and so do its workers."""
    made = []

    async def make(manifest: Manifest) -> Manifest:
        path = ROUTES.at(release.namespace, manifest["metadata"]["name"])
        await api.create(ROUTES.at(release.namespace), manifest)
        made.append(path)
        return await api.until(path, _is_ready, f"{path} is ready", timeout_s=READY_S)

    yield make
    for path in made:
        await api.delete(path)
        await api.gone(path)


def _is_ready(route: Manifest) -> bool:
    return condition(route, "Ready").startswith("True")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(stream_report)


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(TEST_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,  # noqa: ARG001 - pytest hands over what it finds named
    call: pytest.CallInfo[Any],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and call.when in {"call", "setup", "teardown"}:
        for cluster in running:
            report.sections.append(("the release", Installation(cluster, NAMESPACE).report()))
            if cluster.node is not None:
                report.sections.append(("processes of the node", cluster.node.complaints()))
    return report
