"""Forty faults: each is reported within ten seconds, and no longer ten seconds after its end.

On the real API server, broker, operator and workers. They are injected side by side where they do not disturb each
other, each into a route of its own; the tests then look at what became of them. A table of all is printed at the end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from harness.faults import of_api_server, of_broker, of_objects, of_operator, of_pods, of_specs
from harness.faults.observer import Observer
from harness.faults.outcome import LIMIT_S, PROPERTY, Outcome
from harness.faults.scene import Fault, Scene
from harness.faults.site import site
from harness.kubernetes.api import Api
from harness.kubernetes.cluster import Cluster
from harness.kubernetes.kubelet import Kubelet

pytestmark = pytest.mark.xdist_group("faults")

SIDE_BY_SIDE = (*of_pods.FAULTS, *of_objects.FAULTS, *of_specs.FAULTS, *of_broker.FAULTS)
ONE_BY_ONE = {"broker": of_broker.OF_ALL, "operator": of_operator.FAULTS}
LAST = of_api_server.FAULTS
FAULTS = (*SIDE_BY_SIDE, *(fault for faults in ONE_BY_ONE.values() for fault in faults), *LAST)
AT_A_TIME = 5
"""More workers that start at once would measure the machine."""


class Ground:
    """Where the chosen faults are injected."""

    def __init__(
        self, cluster: Cluster, api: Api, node: Kubelet, directory: Path, observer: Observer, chosen: Sequence[Fault]
    ) -> None:
        self._cluster, self._api, self._node = cluster, api, node
        self._directory = directory
        self._observer = observer
        self._chosen = chosen
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self.outcomes: dict[str, Outcome] = {}

    async def inject_again(self, fault: Fault) -> None:
        """By itself, on a site of its own."""
        self._chosen = [fault]
        await self._inject(f"again-{FAULTS.index(fault)}", [fault])

    async def inject_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._inject("side-by-side", SIDE_BY_SIDE, together=True))
            for name, faults in ONE_BY_ONE.items():
                group.create_task(self._inject(name, faults))
        await self._inject("api-server", LAST)

    async def _inject(self, name: str, faults: Sequence[Fault], *, together: bool = False) -> None:
        faults = [fault for fault in faults if fault in self._chosen]
        if not faults:
            return
        extra = [fault.extra for fault in faults if fault.extra]
        (self._directory / name).mkdir()
        async with site(self._cluster, self._api, self._node, self._directory / name, extra) as place:

            async def play(fault: Fault) -> None:
                scene = Scene(fault, f"f{FAULTS.index(fault)}", place, self._observer)
                self.outcomes[fault.name] = scene.outcome
                try:
                    async with self._slots:
                        await fault.steps(scene)
                except Exception as error:  # noqa: BLE001 - its own test reports it
                    scene.outcome.error = f"{type(error).__name__}: {error}"

            if together:
                # Those that start workers take turns with those that do not: the machine has few cores.
                real = [fault for fault in faults if not fault.hollow]
                hollow = [fault for fault in faults if fault.hollow]
                turns = [fault for pair in zip_longest(real, hollow) for fault in pair if fault is not None]
                await asyncio.gather(*map(play, turns))
            else:
                for fault in faults:
                    await play(fault)


@pytest.fixture(scope="module")
def cluster(own_cluster: Cluster) -> Cluster:
    """The last faults are the whole cluster's."""
    return own_cluster


@pytest.fixture(scope="module")
def chosen(request: pytest.FixtureRequest) -> Sequence[Fault]:
    """The faults whose tests are selected."""
    specs = [item.callspec for item in request.session.items if item.path == request.path if hasattr(item, "callspec")]
    asked = [spec.params["fault"] for spec in specs]
    return [fault for fault in FAULTS if fault in asked]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    cluster: Cluster,
    chosen: Sequence[Fault],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Ground]:
    """With all of them injected."""
    async with cluster.api() as api, listening(Observer(api)) as observer:
        made = Ground(cluster, api, cluster.kubelet, tmp_path_factory.mktemp("faults"), observer, chosen)
        await made.inject_all()
        yield made


@contextlib.asynccontextmanager
async def listening(observer: Observer) -> AsyncIterator[Observer]:
    task = asyncio.create_task(observer.run())
    try:
        yield observer
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def tries(request: pytest.FixtureRequest) -> int:
    """The number of starts of this test, by pytest-rerunfailures' count."""
    return getattr(request.node, "execution_count", 1)


@pytest.mark.timeout(400)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_condition_reports_a_fault_and_its_end_in_time(
    fault: Fault, ground: Ground, tries: int, record_property: Callable[[str, object], None]
) -> None:
    if tries > 1:
        await ground.inject_again(fault)
    outcome = ground.outcomes[fault.name]
    record_property(PROPERTY, msgspec.to_builtins(outcome))
    assert not outcome.error, outcome.error
    assert outcome.report
    assert outcome.reported_s is None or outcome.reported_s <= LIMIT_S
    assert outcome.cleared_s is not None
    assert outcome.cleared_s <= LIMIT_S
