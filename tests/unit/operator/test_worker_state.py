"""The state of a route's workers from pods, heartbeats and recorded intentions."""

from typing import Any

from unit.support import routes

from penstock_operator.scaling.worker_state import CHEAP, DELETION_COST, WorkerReport, build


def pod(name: str, *, marked: bool = False, leaving: bool = False, phase: str = "Running") -> dict[str, Any]:
    body = routes.pod(name, ready=True, phase=phase)
    if marked:
        body["metadata"]["annotations"] = {DELETION_COST: CHEAP}
    if leaving:
        body["metadata"]["deletionTimestamp"] = routes.CREATED
    return body


def report(in_flight: int = 0, *, draining: bool = False) -> WorkerReport:
    return WorkerReport(8, in_flight, draining)


def test_worker_state_ignores_pods_that_are_being_deleted() -> None:
    pods = [pod("a"), pod("b", leaving=True), pod("c", phase="Failed"), pod("d", phase="Succeeded"), pod("e")]
    force = build(1, pods, {}, {}, {"e"})
    assert [load.name for load in force.loads] == ["a"]


def test_worker_state_pod_without_a_heartbeat_is_not_ready() -> None:
    [load] = build(1, [pod("a")], {}, {}, ()).loads
    assert not load.ready
    assert not load.draining


def test_worker_state_takes_a_pods_mark_as_intention_and_a_newer_one_first() -> None:
    pods, reports = [pod("a", marked=True), pod("b", marked=True), pod("c")], {name: report() for name in "abc"}
    force = build(3, pods, reports, {"b": False, "c": True}, ())
    assert force.draining == {"a", "c"}
    assert force.marked == {"a", "b"}
    assert force.serving == 1


def test_worker_state_drain_is_confirmed_by_the_worker_only() -> None:
    pods = [pod("a", marked=True), pod("b", marked=True)]
    a, b = build(2, pods, {"a": report(), "b": report(draining=True)}, {}, ()).loads
    assert not a.confirmed
    assert not a.drained
    assert b.confirmed
    assert b.drained


def test_worker_state_drain_is_complete_when_the_replica_set_can_choose_the_pod() -> None:
    reports = {"a": report(draining=True)}
    [ready] = build(1, [pod("a")], reports, {"a": True}, ()).loads
    assert ready.draining
    assert not ready.drained
    [noticed] = build(1, [routes.pod("a", ready=False, phase="Running")], reports, {"a": True}, ()).loads
    assert noticed.drained


def test_worker_state_marked_pod_of_a_crashed_worker_does_not_drain_for_ever() -> None:
    force = build(1, [pod("a", marked=True)], {}, {}, ())
    assert force.draining == frozenset()
    assert not force.loads[0].ready


def test_worker_state_names_workers_that_drain_without_intention() -> None:
    pods = [pod("a"), pod("b", marked=True)]
    force = build(2, pods, {"a": report(draining=True), "b": report(draining=True)}, {}, ())
    assert force.unasked == ("a",)
    assert force.draining == {"b"}


def test_worker_state_ignores_foreign_deletion_costs() -> None:
    body = pod("a")
    body["metadata"]["annotations"] = {DELETION_COST: "5"}
    assert build(1, [body], {"a": report()}, {}, ()).draining == frozenset()


def test_worker_state_counts_unacked_requests_and_no_streams_of_draining_workers() -> None:
    pods = [pod("a"), pod("b", marked=True)]
    reports = {"a": report(3), "b": report(5, draining=True)}
    force = build(2, pods, reports, {}, ())
    seen = force.observed(pending=2, ack_pending=0)
    assert (seen.demand, seen.ready, seen.draining, seen.serving) == (5, 1, 1, 1)
    assert force.observed(pending=0, ack_pending=4).demand == 4
