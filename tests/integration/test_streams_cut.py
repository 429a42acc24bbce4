"""Streams of each dialect, cut at random bytes and read on at another gateway; also while gateways are killed.

`make cut-streams` runs the same with 1 000 streams.
"""

import pytest
from harness.cut_streams import Plan, run

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(300)]


async def test_streams_cut_at_random_bytes_are_read_on_at_other_gateways() -> None:
    report = await run(Plan(streams=56, seed=15))
    assert report.good, report.wrong
    assert all(reader.cut for reader in report.readers)


async def test_streams_survive_kills_of_the_gateways_that_began_them() -> None:
    report = await run(Plan(streams=56, seed=15, between_kills=(4, 12)))
    assert report.good, report.wrong
    assert report.kills >= 2
