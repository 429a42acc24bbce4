"""Scale-in with its drains, in virtual time; `Site` simulates everything else."""

from unit.support.autoscaling import QUICK
from unit.support.site import KEY, Site, scaled
from unit.support.virtual_time import virtual_time

from penstock_operator.scaling.worker_state import CHEAP


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
    site.controls_lost = True
    async with site.running():
        await site.passes(21)
        repeats = len(site.sent)
        assert 6 <= repeats <= 12
        assert site.scales == [], "the worker has not confirmed its drain"
        site.controls_lost = False
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
        # The ReplicaSet removes an unready pod before a cheap one: a probe fails on the worker that should stay.
        site.workers_by_name["main-worker-1"].ready = False
        await site.passes(40)
        assert list(scaled(site)) == [1]
        assert site.workers_by_name["main-worker-1"].stopping
        assert site.sent[-1] == ("resume", "main-worker-2")
        assert not site.workers_by_name["main-worker-2"].draining
