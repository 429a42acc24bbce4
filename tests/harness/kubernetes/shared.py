"""One cluster for all workers of a run: xdist's controller starts it and ends it, its workers only use it.

It starts while the workers import and collect, in the controller's process, which outlives theirs: however the
run ends, also by `kill -9`, the cluster's processes end with it (parent-death signal).
"""

import asyncio
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness.kubernetes import binaries
from harness.kubernetes.cluster import Cluster, ClusterFacts
from harness.kubernetes.control_plane import START_S
from harness.processes import until

KEY = "penstock_cluster"
"""Of xdist's `workerinput`: where the facts will be."""


class SharedCluster:
    """The controller's plugin."""

    def __init__(self) -> None:
        self._cluster = Cluster()
        self._facts = self._cluster.directory / "facts.json"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[KEY] = str(self._facts)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self) -> Generator[None]:
        # Within, xdist starts its workers.
        yield
        asyncio.run(self._start())

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None]:
        # Within, xdist waits for its workers to end.
        try:
            yield
        finally:
            self._cluster.end()

    async def _start(self) -> None:
        await self._cluster.start()
        await self._cluster.add_node()
        unfinished = self._facts.with_suffix(".unfinished")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(msgspec.json.encode(self._cluster.facts))
        unfinished.replace(self._facts)


def share(config: pytest.Config) -> None:
    """Have one in the controller of a run with workers, unless another was given."""
    is_controller = not hasattr(config, "workerinput") and bool(config.getoption("tx", None))
    if is_controller and not os.environ.get(binaries.GIVEN) and not config.getoption("collectonly"):
        config.pluginmanager.register(SharedCluster())


async def joined(config: pytest.Config) -> Cluster | None:
    """The run's, in one of its workers; None where there is no such thing."""
    if (name := getattr(config, "workerinput", {}).get(KEY)) is None:
        return None
    path = Path(name)
    await until(path.exists, "the run's cluster is there", timeout_s=2 * START_S)
    return Cluster.joined(_read(path))


def _read(path: Path) -> ClusterFacts:
    return msgspec.json.decode(path.read_bytes(), type=ClusterFacts)
