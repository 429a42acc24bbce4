"""The autoscaler from a route's load to its Deployment's number, in virtual time; `Site` simulates everything else."""

import pytest
from unit.support.site import KEY, Site, scaled
from unit.support.virtual_time import virtual_time

from penstock_broker.queue_state import QueueUnavailable
from penstock_operator.kube.api_error import ApiError
from penstock_operator.scaling.autoscaler import BURST_MAX_S
from penstock_operator.scaling.worker_state import CHEAP
from penstock_operator.status.scaling_view import RouteDemand

QUICK = {"stableWindowSeconds": 10, "panicWindowSeconds": 2, "scaleToZeroAfterSeconds": 10, "maxReplicas": 20}


def away() -> QueueUnavailable:
    return QueueUnavailable("BrokerUnavailable", "the message broker is away")


# Out


@virtual_time
async def test_autoscaler_starts_a_route_for_one_request_within_20_ms_and_one_write() -> None:
    site = Site(**QUICK)
    async with site.running():
        await site.passes(1)
        site.queue(1)
        await site.passes(5)
    [(at, replicas)] = site.scales
    assert replicas == 1
    assert at - 1 < 0.02
    assert site.loads == {"main-worker-1": 1}
    [decision] = site.decisions
    assert (decision.from_, decision.to, decision.reason) == (0, 1, "FromZero")


@virtual_time
async def test_autoscaler_writes_the_need_of_a_slow_burst_once() -> None:
    site = Site(**QUICK)
    async with site.running():
        await site.passes(1)
        for _ in range(25):
            site.queue(4)
            await site.passes(0.004)
        await site.passes(5)
    assert list(scaled(site)) == [13], "100 requests, 8 slots each"


@virtual_time
async def test_autoscaler_writes_the_need_of_an_interrupted_burst_once() -> None:
    site = Site(**QUICK)
    async with site.running():
        await site.passes(1)
        site.queue(20)
        await site.passes(0.08)
        site.queue(80)
        await site.passes(5)
    assert list(scaled(site)) == [13]


@virtual_time
async def test_autoscaler_does_not_wait_for_a_backlog_that_keeps_growing() -> None:
    site = Site(**{**QUICK, "maxReplicas": 1000})
    async with site.running():
        await site.passes(1)
        for _ in range(150):
            site.queue(4)
            await site.passes(0.005)
    first, _ = site.scales[0]
    assert first - 1 < BURST_MAX_S + 0.02


@virtual_time
async def test_autoscaler_does_not_wait_for_a_backlog_that_needs_the_maximum() -> None:
    site = Site(**{**QUICK, "maxReplicas": 2})
    async with site.running():
        await site.passes(1)
        site.queue(100)
        await site.passes(1)
    assert [(round(at - 1, 3), replicas) for at, replicas in site.scales] == [(0.004, 2)]


@virtual_time
async def test_autoscaler_does_not_check_an_idle_route() -> None:
    site = Site(**QUICK)
    async with site.running():
        await site.passes(5)
        reads = site.reads
        await site.passes(600)
        assert site.reads == reads
    assert site.scales == []
    assert site.changes == 1, "the first look has told that it can see"


@virtual_time
async def test_autoscaler_adds_workers_under_load_and_keeps_its_own_write_before_the_watch_event() -> None:
    site = Site(deployed=1, **QUICK)
    async with site.running():
        site.queue(8)
        await site.passes(1.5)
        site.queue(12)
        await site.passes(0.015)
        site.autoscaler.activated(KEY)
        await site.passes(10)
    assert list(scaled(site)) == [3]
    assert sum(site.loads.values()) == 20


@virtual_time
async def test_autoscaler_reports_observed_demand_and_none_while_it_is_unknown() -> None:
    site = Site(deployed=1, paused="All", **QUICK)
    async with site.running():
        site.queue(12)
        await site.passes(1.5)
        assert site.autoscaler.demand() == {".".join(KEY): RouteDemand(waiting=4, in_flight=8)}
        site.queue_error = away()
        site.autoscaler.activated(KEY)
        await site.passes(1)
        assert site.autoscaler.demand() == {}


@virtual_time
async def test_autoscaler_starts_a_route_for_the_requests_of_a_crashed_worker() -> None:
    site = Site(**QUICK)
    async with site.running():
        await site.passes(1)
        site.orphaned = 1
        site.autoscaler.activated(KEY)
        await site.passes(5)
    assert list(scaled(site)) == [1]


# In


@virtual_time
async def test_autoscaler_marks_drains_and_removes_the_least_busy_workers_in_one_write() -> None:
    site = Site(deployed=3, **QUICK)
    async with site.running():
        await site.passes(1)
        site.queue(20)
        for name, count in (("main-worker-1", 5), ("main-worker-2", 6), ("main-worker-3", 3)):
            site.finish(name, count)
        await site.passes(30)
        assert site.loads == {"main-worker-1": 3, "main-worker-2": 2, "main-worker-3": 1}
        assert site.annotated == [("main-worker-3", CHEAP), ("main-worker-2", CHEAP)]
        assert sorted(set(site.sent)) == [("drain", "main-worker-2"), ("drain", "main-worker-3")]
        assert site.scales == [], "they finish their streams first"
        assert site.autoscaler.view(KEY).desired == 1
        assert site.autoscaler.view(KEY).draining == {"main-worker-2", "main-worker-3"}
        site.finish("main-worker-2", 2)
        site.finish("main-worker-3", 1)
        await site.passes(3)
        assert site.loads == {"main-worker-1": 3}
    assert list(scaled(site)) == [1]
    assert site.cut == 0
    assert site.autoscaler.view(KEY).draining == frozenset()


@virtual_time
async def test_autoscaler_removes_a_drained_worker_while_another_still_drains() -> None:
    site = Site(deployed=3, **QUICK)
    async with site.running():
        await site.passes(1)
        site.queue(20)
        for name, count in (("main-worker-1", 5), ("main-worker-2", 6), ("main-worker-3", 3)):
            site.finish(name, count)
        await site.passes(30)
        site.finish("main-worker-3", 1)
        await site.passes(30)
        assert site.loads == {"main-worker-1": 3, "main-worker-2": 2}
        site.finish("main-worker-2", 2)
        await site.passes(30)
        assert site.loads == {"main-worker-1": 3}
    assert list(scaled(site)) == [2, 1]
    assert site.cut == 0


@virtual_time
async def test_autoscaler_removes_the_last_worker_after_the_time_for_zero() -> None:
    site = Site(deployed=1, **QUICK)
    async with site.running():
        await site.passes(60)
        assert site.loads == {}
        reads = site.reads
        await site.passes(60)
        assert site.reads == reads, "at rest again"
    [(at, replicas)] = site.scales
    assert replicas == 0
    assert 10 <= at < 13
    assert [decision.reason for decision in site.decisions] == ["NoDemand"]


@virtual_time
async def test_autoscaler_resumes_draining_workers_before_it_creates_new_ones() -> None:
    site = Site(deployed=2, **QUICK)
    async with site.running():
        await site.passes(1)
        site.queue(2)
        site.workers_by_name["main-worker-1"].in_flight = 1
        site.workers_by_name["main-worker-2"].in_flight = 1
        await site.passes(30)
        assert site.autoscaler.view(KEY).draining
        [(_, drained)] = set(site.sent)
        site.queue(12)
        await site.passes(5)
        assert site.autoscaler.view(KEY).draining == frozenset()
        assert site.sent[-1] == ("resume", drained)
        assert site.annotated == [(drained, CHEAP), (drained, None)]
        assert sum(site.loads.values()) == 14
    assert site.scales == []


@virtual_time
async def test_autoscaler_removes_a_pod_that_never_started_without_a_drain() -> None:
    site = Site(**QUICK)
    site.start_s = 10_000
    async with site.running():
        await site.passes(1)
        site.queue(20)
        await site.passes(1)
        assert len(site.loads) == 3
        site.pending = 0
        await site.passes(60)
        assert site.loads == {}
    assert list(scaled(site)) == [3, 0]
    assert site.sent == []


@virtual_time
async def test_autoscaler_sends_a_lost_drain_again_about_once_a_second() -> None:
    site = Site(deployed=1, **QUICK)
    site.deaf = True
    async with site.running():
        await site.passes(21)
        said = len(site.sent)
        assert 6 <= said <= 12
        assert site.scales == [], "it has not said that it drains"
        site.deaf = False
        await site.passes(5)
    assert list(scaled(site)) == [0]
    assert len(site.annotated) == 1


@virtual_time
async def test_autoscaler_continues_a_drain_after_a_restart_of_the_operator() -> None:
    site = Site(deployed=2, **QUICK)
    async with site.running():
        site.workers_by_name["main-worker-1"].in_flight = 6
        site.workers_by_name["main-worker-2"].in_flight = 1
        await site.passes(30)
        assert site.autoscaler.view(KEY).draining == {"main-worker-2"}
    site.another()
    async with site.running():
        await site.passes(3)
        assert site.autoscaler.view(KEY).draining == {"main-worker-2"}
        assert site.autoscaler.view(KEY).desired == 1
        site.finish("main-worker-2", 1)
        await site.passes(3)
        assert site.loads == {"main-worker-1": 6}
    assert list(scaled(site)) == [1]
    assert len(site.annotated) == 1


@virtual_time
async def test_autoscaler_resumes_a_worker_that_drains_without_intention() -> None:
    site = Site(deployed=1, minReplicas=1, **QUICK)
    async with site.running():
        site.workers_by_name["main-worker-1"].draining = True
        await site.passes(5)
        assert site.sent == [("resume", "main-worker-1")]
        assert not site.workers_by_name["main-worker-1"].draining
    assert site.scales == []


@virtual_time
async def test_autoscaler_resumes_the_drained_worker_after_the_replica_set_removed_another() -> None:
    site = Site(deployed=2, minReplicas=1, **QUICK)
    async with site.running():
        site.workers_by_name["main-worker-1"].in_flight = 3
        # Not ready goes before cheap: a probe that fails at the wrong moment, on the worker that should stay.
        site.workers_by_name["main-worker-1"].ready = False
        await site.passes(40)
        assert list(scaled(site)) == [1]
        assert site.workers_by_name["main-worker-1"].stopping
        assert site.sent[-1] == ("resume", "main-worker-2")
        assert not site.workers_by_name["main-worker-2"].draining


# Manual, paused


@virtual_time
async def test_autoscaler_follows_the_spec_in_manual_mode_and_drains_first() -> None:
    site = Site(mode="Manual", replicas=3, **QUICK)
    async with site.running():
        await site.passes(5)
        assert list(scaled(site)) == [3]
        reads = site.reads
        site.workers_by_name["main-worker-1"].in_flight = 1
        site.workers_by_name["main-worker-2"].in_flight = 2
        await site.passes(5)
        site.rescale(replicas=1)
        await site.passes(5)
        assert list(scaled(site)) == [3, 2], "the idle one has gone"
        assert site.loads == {"main-worker-1": 1, "main-worker-2": 2}
        site.finish("main-worker-1")
        await site.passes(3)
        assert site.loads == {"main-worker-2": 2}
        assert site.reads == reads == 0, "nobody asks for the load"
    assert site.cut == 0
    assert [decision.reason for decision in site.decisions] == ["Manual", "Manual"]


@virtual_time
async def test_autoscaler_paused_scale_in_resumes_draining_workers() -> None:
    site = Site(deployed=2, **QUICK)
    async with site.running():
        site.workers_by_name["main-worker-1"].in_flight = 1
        site.workers_by_name["main-worker-2"].in_flight = 1
        await site.passes(30)
        assert site.autoscaler.view(KEY).draining
        site.rescale(paused="ScaleIn")
        await site.passes(30)
        assert site.autoscaler.view(KEY).draining == frozenset()
        assert len(site.loads) == 2
    assert site.scales == []


@virtual_time
async def test_autoscaler_paused_scale_out_leaves_a_request_waiting_until_it_is_resumed() -> None:
    site = Site(paused="ScaleOut", **QUICK)
    async with site.running():
        site.queue(1)
        await site.passes(5)
        assert site.scales == []
        site.rescale(paused="None")
        await site.passes(5)
    assert list(scaled(site)) == [1]


# What goes wrong


@virtual_time
async def test_autoscaler_holds_without_the_queue_and_reports_it_after_two_seconds() -> None:
    site = Site(deployed=2, **QUICK)
    async with site.running():
        await site.passes(5)
        site.queue_error = away()
        await site.passes(1.5)
        seen = site.autoscaler.view(KEY).autoscaling
        assert seen is not None
        assert seen.trouble is None
        await site.passes(50)
        seen = site.autoscaler.view(KEY).autoscaling
        assert seen is not None
        assert (seen.trouble, seen.fallback) == ("BrokerUnavailable", False)
        assert seen.message == "the message broker is away; the number of workers is held"
        changes = site.changes
        await site.passes(50)
        assert site.changes == changes, "it is said once"
        assert site.scales == []
        site.queue_error = None
        await site.passes(2)
        seen = site.autoscaler.view(KEY).autoscaling
        assert seen is not None
        assert seen.trouble is None


@virtual_time
async def test_autoscaler_reports_a_missing_broker_for_a_route_at_rest() -> None:
    site = Site(**QUICK)
    async with site.running():
        await site.passes(60)
        site.connected, site.queue_error = False, away()
        await site.passes(5)
        seen = site.autoscaler.view(KEY).autoscaling
        assert seen is not None
        assert seen.trouble == "BrokerUnavailable"
        site.connected, site.queue_error = True, None
        await site.passes(3)
        seen = site.autoscaler.view(KEY).autoscaling
        assert seen is not None
        assert seen.trouble is None


@virtual_time
async def test_autoscaler_applies_the_fallback_after_the_threshold() -> None:
    site = Site(fallback={"afterSeconds": 20, "behavior": "Static", "replicas": 4}, **QUICK)
    async with site.running():
        await site.passes(1)
        site.queue_error = away()
        site.autoscaler.activated(KEY)
        await site.passes(15)
        assert site.scales == []
        await site.passes(10)
        seen = site.autoscaler.view(KEY).autoscaling
        assert seen is not None
        assert (seen.trouble, seen.fallback) == ("BrokerUnavailable", True)
    assert list(scaled(site)) == [4]
    assert [decision.reason for decision in site.decisions] == ["Fallback"]


@virtual_time
async def test_autoscaler_reports_a_missing_queue() -> None:
    site = Site(deployed=1, **QUICK)
    async with site.running():
        site.queue_error = QueueUnavailable("QueueMissing", "the route's queue is not there")
        await site.passes(5)
        assert site.missing >= 3
        seen = site.autoscaler.view(KEY).autoscaling
        assert seen is not None
        assert seen.trouble == "QueueMissing"
    assert site.scales == []


@pytest.mark.parametrize(
    "error",
    [
        ApiError("Unavailable", "nobody answers"),
        ApiError("Conflict", "somebody was faster"),
        ApiError("TooManyRequests", "wait", retry_after_s=2),
        ApiError("Forbidden", "quota"),
    ],
    ids=lambda error: error.kind,
)
@virtual_time
async def test_autoscaler_repeats_a_rejected_write_and_reports_it_only_when_done(error: ApiError) -> None:
    site = Site(**QUICK)
    async with site.running():
        await site.passes(1)
        site.api_error = error
        site.queue(20)
        await site.passes(30)
        assert site.scales == []
        assert site.decisions == []
        site.api_error = None
        await site.passes(8)
    assert list(scaled(site)) == [3]
    assert len(site.decisions) == 1


@virtual_time
async def test_autoscaler_marks_a_pod_before_it_sends_the_drain() -> None:
    site = Site(deployed=1, **QUICK)
    site.api_error = ApiError("Unavailable", "nobody answers")
    async with site.running():
        await site.passes(60)
        assert site.sent == []
        site.api_error = None
        await site.passes(10)
    assert list(scaled(site)) == [0]


@virtual_time
async def test_autoscaler_drains_by_readiness_without_the_right_to_mark_pods() -> None:
    site = Site(deployed=2, minReplicas=1, **QUICK)

    async def refuse(*_: object) -> None:
        raise ApiError("Forbidden", "pods is forbidden")

    site.annotate_pod = refuse  # type: ignore[method-assign]
    async with site.running():
        site.workers_by_name["main-worker-2"].in_flight = 1
        await site.passes(40)
        assert site.loads == {"main-worker-2": 1}
    assert list(scaled(site)) == [1]
    assert site.cut == 0


@virtual_time
async def test_autoscaler_ignores_an_unserved_route_and_one_without_a_deployment() -> None:
    site = Site(deployed=None, **QUICK)
    async with site.running():
        site.queue(3)
        site.autoscaler.activated(("team", "unknown"))
        await site.passes(5)
    assert site.scales == []


@virtual_time
async def test_autoscaler_view_has_a_rejected_key_until_no_worker_reports_it() -> None:
    site = Site(**QUICK, deployed=2, minReplicas=2)
    async with site.running():
        await site.passes(3)
        assert site.autoscaler.view(KEY).refusing_keys == ()
        before = site.changes
        worker, other = site.workers_by_name.values()
        worker.refusing_keys, other.refusing_keys = ("b",), ("a", "b")
        await site.passes(3)
        assert site.autoscaler.view(KEY).refusing_keys == ("a", "b")
        assert site.changes > before
        worker.refusing_keys = other.refusing_keys = ()
        await site.passes(3)
        assert site.autoscaler.view(KEY).refusing_keys == ()
