"""The simulation treats all autoscalers alike, and docs/operations/scaling.md has its results."""

from pathlib import Path
from typing import get_args

import pytest
from scaling.hpa import KedaHpa
from scaling.knative import Knative
from scaling.kubeai import KubeAI
from scaling.ours import Ours
from scaling.report import markdown, rows, with_table
from scaling.traces import Trace
from scaling.world import SLOTS, Autoscaler, World

from penstock_operator.scaling.decision import Reason

PAGE = Path(__file__).parents[4] / "docs" / "operations" / "scaling.md"


def trace(*requests: tuple[float, float], until_s: float = 1000.0) -> Trace:
    return Trace("a few", "", requests, until_s)


def test_simulation_table_equals_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page, markdown(list(rows()))), "make simulate"


@pytest.mark.parametrize("reason", get_args(Reason))
def test_simulation_page_has_every_reason(reason: str) -> None:
    assert f"\n| `{reason}` | " in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("make", [Ours, KedaHpa, Knative, KubeAI])
def test_simulation_serves_every_request_with_each_autoscaler(make: type[Autoscaler]) -> None:
    requests = [(100.0 + n % 7, 5.0) for n in range(60)]
    tally = World(trace(*sorted(requests)), make()).run()
    assert len(tally.waits) == len(requests)
    assert tally.cut == 0


@pytest.mark.parametrize(("make", "wait"), [(Ours, 5.0), (KedaHpa, 25.0), (Knative, 5.0), (KubeAI, 5.0)])
def test_simulation_first_request_waits_for_a_start_and_a_poll(make: type[Autoscaler], wait: float) -> None:
    assert World(trace((100.0, 5.0)), make()).run().waits == [wait]


@pytest.mark.parametrize("make", [Ours, KedaHpa, Knative])
def test_simulation_every_autoscaler_ends_at_zero(make: type[Autoscaler]) -> None:
    assert World(trace((100.0, 5.0)), make()).run().requested[-1] == 0


def test_simulation_counts_pod_seconds_from_creation_to_end() -> None:
    tally = World(trace((100.0, 5.0)), Ours()).run()
    created, ended = 100.0, 100.0 + 5.0 + 5.0 + 300.0
    assert tally.pod_seconds == pytest.approx(ended - created, abs=2.0)


class Cutter:
    """Starts two pods and takes one away after 20 s."""

    name = "cutter"

    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s

    def tick(self, world: World) -> float | None:
        world.scale(2 if world.now < 20 else 1)
        return 20.0 if world.now < 20 else None

    def on_waiting(self, world: World) -> float | None:  # noqa: ARG002
        return None


@pytest.mark.parametrize(("grace_s", "cut"), [(30.0, 1), (90.0, 0)])
def test_simulation_cuts_a_stream_that_outlives_the_grace_of_its_pod(grace_s: float, cut: int) -> None:
    requests = ((10.0, 100.0), (10.0, 100.0))
    assert World(trace(*requests), Cutter(grace_s)).run().cut == cut


def test_simulation_worker_never_has_more_streams_than_slots() -> None:
    highest = 0

    class Watched(Knative):
        def tick(self, world: World) -> float | None:
            nonlocal highest
            highest = max(highest, *(pod.streams for pod in world.pods), 0)
            return super().tick(world)

    World(trace(*((100.0, 60.0) for _ in range(100))), Watched()).run()
    assert highest == SLOTS


def test_simulation_operator_waits_for_a_long_stream_before_it_removes_the_pod() -> None:
    tally = World(trace(*((100.0, 590.0 if n % 8 else 20.0) for n in range(40))), Ours()).run()
    assert tally.cut == 0
    assert tally.flaps == 1
