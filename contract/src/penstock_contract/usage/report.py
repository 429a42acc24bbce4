"""Usage rows added up, as the admin API tells them: by key, model, route, provider or day."""

import datetime as dt
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from penstock_contract.usage.money import decimal, picos
from penstock_contract.usage.record import UsageRow

Grouping = Literal["key", "model", "route", "provider", "day"]

GROUPS: dict[Grouping, Callable[[UsageRow], str]] = {
    "key": lambda row: row.key,
    "model": lambda row: row.model,
    "route": lambda row: row.route,
    "provider": lambda row: row.provider,
    "day": lambda row: dt.datetime.fromtimestamp(row.started_at, dt.UTC).date().isoformat(),
}
GOOD = frozenset({"stop", "length", "tool_calls", "content_filter"})


class UsageSum(Struct, frozen=True, kw_only=True):
    """`failed` ended with an error or without their client, `open` have not ended, `estimated` have our own count."""

    of: str
    requests: int
    failed: int
    open: int
    estimated: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost: str


class UsageSums(Struct, frozen=True):
    by: Grouping
    since: int
    sums: list[UsageSum]


class UsageRows(Struct, frozen=True):
    """The newest requests, oldest first; `more` of them are not here."""

    since: int
    rows: list[UsageRow]
    more: int


class _Sum(Struct):
    requests: int = 0
    failed: int = 0
    open: int = 0
    estimated: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0


class UsageAggregator:
    """Rows go in one by one, as there may be more of them than fit in memory."""

    def __init__(self, by: Grouping) -> None:
        self._group = GROUPS[by]
        self._sums: dict[str, _Sum] = {}

    def add(self, row: UsageRow) -> None:
        into = self._sums.setdefault(self._group(row), _Sum())
        into.requests += 1
        into.open += row.ended is None
        into.failed += row.ended is not None and row.ended not in GOOD
        into.estimated += row.tokens.estimated
        into.input_tokens += row.tokens.input
        into.cached_input_tokens += row.tokens.cached_input
        into.output_tokens += row.tokens.output
        into.cost += picos(row.cost)

    def sums(self) -> list[UsageSum]:
        """In the order of their names."""
        return [
            UsageSum(
                of=of,
                requests=one.requests,
                failed=one.failed,
                open=one.open,
                estimated=one.estimated,
                input_tokens=one.input_tokens,
                cached_input_tokens=one.cached_input_tokens,
                output_tokens=one.output_tokens,
                cost=decimal(one.cost),
            )
            for of, one in sorted(self._sums.items())
        ]
