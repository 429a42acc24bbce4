"""Failures of broker, API server and workers as the autoscaler handles them, in virtual time."""

import pytest
from unit.support.autoscaling import QUICK, away
from unit.support.site import KEY, Site, scaled
from unit.support.virtual_time import virtual_time

from penstock_broker.queue_state import QueueUnavailable
from penstock_operator.kube.api_error import ApiError


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
        assert site.changes == changes, "the listener is called once"
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
        ApiError("Unavailable", "no response"),
        ApiError("Conflict", "another write was first"),
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
    site.api_error = ApiError("Unavailable", "no response")
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
