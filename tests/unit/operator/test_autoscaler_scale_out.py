"""Scale-out of a route under load, in virtual time; `Site` simulates everything else."""

from unit.support.autoscaling import QUICK, away
from unit.support.site import KEY, Site, scaled
from unit.support.virtual_time import virtual_time

from penstock_operator.scaling.autoscaler import BURST_MAX_S
from penstock_operator.status.scaling_view import RouteDemand


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
    assert site.changes == 1, "the first check has reported an observation"


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
