"""Gateways and workers die at random, and every request still has its one row. A thousand: `benchmarks/kills.py`."""

import pytest
from harness.kills import Plan, run


@pytest.mark.timeout(240)
async def test_every_request_has_one_closed_row_under_random_kills_of_gateways_and_workers() -> None:
    report = await run(Plan(seed=7, requests=200))
    assert report.kills["gateway"], report.table()
    assert report.kills["worker"], report.table()
    assert report.ids.keys() == report.requests.keys(), report.table()
    assert set(report.ids.values()) == {1}, report.table()
    assert all(row.ended is not None for row in report.rows), report.table()
    assert report.difference <= 0.01, report.table()
