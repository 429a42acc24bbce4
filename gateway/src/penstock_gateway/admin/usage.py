"""Reads usage records over HTTP: sums, the rows themselves, and both as CSV. No row contains a prompt."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from litestar import Response, get
from litestar.params import Parameter

from penstock_broker.stores.usage import read_rows
from penstock_contract.usage.record import UsageRow
from penstock_contract.usage.report import Grouping, UsageAggregator, UsageRows, UsageSums
from penstock_contract.usage.table import csv_text, rows_table, sums_table
from penstock_gateway.admin.dependencies import AdminDependencies

ROWS_MAX = 100_000
TIME_MAX = 253_402_300_799
"""The end of the year 9999, in Unix seconds."""

Time = Annotated[int, Parameter(ge=0, le=TIME_MAX)]


@get("/admin/usage")
async def sums(admin: AdminDependencies, by: Grouping = "key", since: Time = 0, until: Time = TIME_MAX) -> UsageSums:
    """Sums over the requests that began at `since` (Unix seconds) or later, and before `until`."""
    aggregator = UsageAggregator(by)
    async for row in _between(admin, since, until):
        aggregator.add(row)
    return UsageSums(by, since, aggregator.sums())


@get("/admin/usage/rows")
async def rows(
    admin: AdminDependencies,
    since: Time = 0,
    until: Time = TIME_MAX,
    limit: Annotated[int, Parameter(ge=1, le=ROWS_MAX)] = 1000,
) -> UsageRows:
    """The newest `limit` of these requests."""
    kept: deque[UsageRow] = deque(maxlen=limit)
    seen = 0
    async for row in _between(admin, since, until):
        kept.append(row)
        seen += 1
    ordered = sorted(kept, key=lambda row: (row.started_at, row.id))
    return UsageRows(since, ordered, seen - len(ordered))


@get("/admin/usage.csv")
async def as_csv(
    admin: AdminDependencies,
    by: Grouping | Literal["request"] = "key",
    since: Time = 0,
    until: Time = TIME_MAX,
) -> Response[str]:
    """The text of `penstock usage --csv`."""
    if by == "request":
        table = rows_table((await rows.fn(admin, since, until, ROWS_MAX)).rows)
    else:
        names = {record.id: record.name for record in await admin.keys.all()} if by == "key" else {}
        table = sums_table(await sums.fn(admin, by, since, until), names)
    headers = {"content-disposition": f'attachment; filename="penstock-usage-by-{by}.csv"'}
    return Response(csv_text(table), media_type="text/csv", headers=headers)


async def _between(admin: AdminDependencies, since: int, until: int) -> AsyncIterator[UsageRow]:
    async for row in read_rows(admin.connection, since=since):
        if since <= row.started_at < until:
            yield row
