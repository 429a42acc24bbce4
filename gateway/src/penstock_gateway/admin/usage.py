"""Reads usage records over HTTP: sums, and the rows themselves. No row contains a prompt."""

from collections import deque
from typing import Annotated

from litestar import get
from litestar.params import Parameter

from penstock_broker.stores.usage import read_rows
from penstock_contract.usage.record import UsageRow
from penstock_contract.usage.report import Grouping, UsageAggregator, UsageRows, UsageSums
from penstock_gateway.admin.dependencies import AdminDependencies

ROWS_MAX = 100_000

Since = Annotated[int, Parameter(ge=0, le=253_402_300_799)]


@get("/admin/usage")
async def sums(admin: AdminDependencies, by: Grouping = "key", since: Since = 0) -> UsageSums:
    """Sums over the requests that began at `since` (Unix seconds) or later."""
    aggregator = UsageAggregator(by)
    async for row in read_rows(admin.connection, since=since):
        if row.started_at >= since:
            aggregator.add(row)
    return UsageSums(by, since, aggregator.sums())


@get("/admin/usage/rows")
async def rows(
    admin: AdminDependencies, since: Since = 0, limit: Annotated[int, Parameter(ge=1, le=ROWS_MAX)] = 1000
) -> UsageRows:
    """The newest `limit` of these requests."""
    kept: deque[UsageRow] = deque(maxlen=limit)
    seen = 0
    async for row in read_rows(admin.connection, since=since):
        if row.started_at >= since:
            kept.append(row)
            seen += 1
    ordered = sorted(kept, key=lambda row: (row.started_at, row.id))
    return UsageRows(since, ordered, seen - len(ordered))
