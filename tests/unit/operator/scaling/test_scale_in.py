"""Selection of the workers that drain, resume or are removed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.scaling.scale_in import Steps, WorkerLoad, steps, to_drain, to_resume


def worker(name: str, in_flight: int = 0, **fields: Any) -> WorkerLoad:
    given_fields = {"slots": 8, "draining": False, "started_at": 0.0, "ready": True} | fields
    return WorkerLoad(name=name, in_flight=in_flight, **given_fields)


def draining(name: str, in_flight: int = 0, **fields: Any) -> WorkerLoad:
    return worker(name, in_flight, draining=True, **fields)


def starting(name: str, **fields: Any) -> WorkerLoad:
    return worker(name, ready=False, **fields)


def names(workers: list[WorkerLoad]) -> list[str]:
    return [one.name for one in workers]


def test_scale_in_drains_the_least_busy_workers_first_and_the_youngest_of_equals() -> None:
    workers = [worker("busy", 5), worker("old", 1, started_at=10.0), worker("young", 1, started_at=20.0)]
    assert names(to_drain(workers, 3)) == ["young", "old", "busy"]


def test_scale_in_drains_only_ready_workers() -> None:
    assert to_drain([draining("a"), starting("b")], 2) == []


def test_scale_in_resumes_the_busiest_workers_first_and_the_oldest_of_equals() -> None:
    workers = [
        draining("idle"),
        draining("young", 3, started_at=20.0),
        draining("old", 3, started_at=10.0),
        worker("w", 8),
    ]
    assert names(to_resume(workers, 9)) == ["old", "young", "idle"]


def test_scale_in_keeps_the_number_until_the_streams_have_ended() -> None:
    workers = [worker("a", 4), worker("b", 1), worker("c", 2)]
    assert steps(1, 3, workers) == Steps(3, drain=("b", "c"))


def test_scale_in_drains_an_idle_worker_that_may_have_pulled_since_its_heartbeat() -> None:
    assert steps(1, 2, [worker("a"), worker("b")]) == Steps(2, drain=("a",))


def test_scale_in_removes_a_drained_worker_and_keeps_the_others() -> None:
    assert steps(1, 3, [worker("a", 4), draining("b"), draining("c", 2)]) == Steps(2, gone=("b",))


def test_scale_in_keeps_a_worker_that_has_not_confirmed_its_drain() -> None:
    assert steps(1, 2, [worker("a", 4), draining("b", confirmed=False)]) == Steps(2)


def test_scale_in_removes_a_starting_worker_first_and_without_a_drain() -> None:
    workers = [worker("a"), starting("old", started_at=10.0), starting("young", started_at=20.0)]
    assert steps(2, 3, workers) == Steps(2, gone=("young",))


def test_scale_in_removes_a_pod_that_does_not_exist_yet_first() -> None:
    assert steps(2, 3, [worker("a"), starting("b")]) == Steps(2)


def test_scale_in_drains_ready_workers_only_for_the_rest_after_the_starting_ones() -> None:
    workers = [worker("a", 2), worker("b", 1), starting("c")]
    assert steps(1, 3, workers) == Steps(2, drain=("b",), gone=("c",))


def test_scale_in_resumes_draining_workers_before_new_ones_start() -> None:
    workers = [worker("a", 8), draining("b", 3), draining("c", 1)]
    assert steps(2, 3, workers) == Steps(3, resume=("b",))
    assert steps(5, 3, workers) == Steps(5, resume=("b", "c"))


def test_scale_in_resumes_a_drained_worker_rather_than_a_new_start() -> None:
    assert steps(2, 2, [worker("a", 8), draining("b")]) == Steps(2, resume=("b",))


def test_scale_in_keeps_the_place_of_a_draining_worker() -> None:
    """The slots of a draining worker are no capacity; the number counts it in addition to the ready workers."""
    assert steps(1, 2, [worker("a", 8), draining("b", 3)]) == Steps(2)


def test_scale_in_to_zero_drains_every_worker_before_the_number_is_zero() -> None:
    assert steps(0, 2, [worker("a"), worker("b", 1)]) == Steps(2, drain=("a", "b"))
    assert steps(0, 2, [draining("a"), draining("b")]) == Steps(0, gone=("a", "b"))


def test_scale_in_number_from_zero_is_the_target() -> None:
    assert steps(13, 0, []) == Steps(13)


Fields = tuple[int, bool, bool, bool, int]


def named(fields: list[Fields]) -> list[WorkerLoad]:
    return [
        worker(f"worker-{number}", in_flight, draining=drains, ready=ready, confirmed=confirmed, started_at=started_at)
        for number, (in_flight, drains, ready, confirmed, started_at) in enumerate(fields)
    ]


fleets = st.lists(
    st.tuples(st.integers(0, 8), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 9)), max_size=20
).map(named)


@given(st.integers(0, 20), fleets, st.integers(0, 5))
def test_scale_in_number_includes_each_worker_that_may_have_a_stream(
    target: int, workers: list[WorkerLoad], absent: int
) -> None:
    found = steps(target, len(workers) + absent, workers)
    expendable = [one for one in workers if one.drained or (not one.ready and not one.draining)]
    assert set(found.gone) <= {one.name for one in expendable}
    assert found.replicas >= len(workers) - len(found.gone)


@given(st.integers(0, 20), fleets, st.integers(0, 5))
def test_scale_in_steps_lead_to_the_target(target: int, workers: list[WorkerLoad], absent: int) -> None:
    found = steps(target, len(workers) + absent, workers)
    still_draining = {one.name for one in workers if one.draining} - set(found.resume) - set(found.gone)
    assert found.replicas - len(still_draining) - len(found.drain) == target


@given(st.integers(0, 20), fleets)
def test_scale_in_never_drains_and_resumes_the_same_worker(target: int, workers: list[WorkerLoad]) -> None:
    found = steps(target, len(workers), workers)
    changed = [*found.drain, *found.resume, *found.gone]
    assert len(changed) == len(set(changed))
    assert not (found.drain and found.resume)
