"""Gateways and workers are killed at random; every request has one usage record. 1 000: `benchmarks/kills.py`."""

import pytest
from harness.kills import Plan, run
from harness.paused_worker import Stall, stall


@pytest.mark.timeout(240)
async def test_usage_record_is_closed_once_under_random_kills() -> None:
    report = await run(Plan(seed=7, requests=200))
    assert report.kills["gateway"], report.table()
    assert report.kills["worker"], report.table()
    assert report.ids.keys() == report.requests.keys(), report.table()
    assert set(report.ids.values()) == {1}, report.table()
    assert all(row.ended is not None for row in report.rows), report.table()
    assert report.difference <= 0.01, report.table()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("wakes", ["while it is served", "afterwards"])
async def test_usage_record_of_a_paused_worker_belongs_to_the_worker_that_served(wakes: str) -> None:
    seen = await stall(Stall(requests=8, tokens=50, afterwards=wakes == "afterwards"))
    assert seen.answers == [200] * 8
    assert len(seen.rows) == 8
    for row in seen.rows:
        assert (row.ended, row.tokens.output, row.worker) == ("stop", 50, seen.serving), row
        assert not row.tokens.estimated
    assert seen.calls == 16, "each was begun twice, and not a third time"
    assert seen.queued == 0
