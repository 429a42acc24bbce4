"""A short chaos run; `make chaos` is the five minutes."""

import pytest
from harness.chaos.plan import Plan
from harness.chaos.run import run


@pytest.mark.timeout(300)
async def test_stream_is_never_truncated_and_its_usage_record_never_wrong_under_mixed_faults() -> None:
    report = await run(Plan(seed=3, seconds=20, clients=20, pause_s=(0.3, 4.0)))
    print(report.table())  # noqa: T201 - pytest shows it with a failure
    assert report.faults
    assert report.ends["complete"]
    assert report.good, report.table()
