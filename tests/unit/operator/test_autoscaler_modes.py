"""Manual mode and paused directions of the autoscaler, in virtual time."""

from unit.support.autoscaling import QUICK
from unit.support.site import KEY, Site, scaled
from unit.support.virtual_time import virtual_time


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
        assert site.reads == reads == 0, "the load is not read"
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
