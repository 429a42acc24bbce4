"""Usage as a table and as CSV: the same for `penstock usage` and for the admin API. Pure."""

import csv
import io
import time
from collections.abc import Mapping

from penstock_contract.usage.record import UsageRow
from penstock_contract.usage.report import UsageSum, UsageSums

Table = list[tuple[str, ...]]

SUMS = ("requests", "failed", "open", "input tokens", "cached", "output tokens", "estimated", "cost")
ROWS = (
    *("started", "request", "key", "route", "model", "provider", "attempts", "input tokens", "cached"),
    *("output tokens", "estimated", "cost", "first token s", "duration s", "ended"),
)
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_SKIPPED = "".join(chr(code) for code in range(0x3001) if chr(code).isspace() or not chr(code).isprintable()) + "\ufeff"


def sums_table(sums: UsageSums, names: Mapping[str, str]) -> Table:
    """A head, and a row for each sum; `names` are those of the keys, for sums by key."""
    by_key = sums.by == "key"
    head = (sums.by, "name", *SUMS) if by_key else (sums.by, *SUMS)
    return [head, *((one.of, *([names.get(one.of, "")] if by_key else []), *_sum(one)) for one in sums.sums)]


def rows_table(rows: list[UsageRow]) -> Table:
    """A head, and each request."""
    return [ROWS, *map(_row, rows)]


def csv_text(table: Table, *, printable: bool = False) -> str:
    """RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe: clients choose model names.

    `printable` is for a terminal: what it would obey is shown escaped. A file gets the names as they are.
    """
    out = io.StringIO()
    csv.writer(out).writerows([_cell(printable_text(cell) if printable else cell) for cell in row] for row in table)
    return out.getvalue()


def printable_text(text: str) -> str:
    """The text with its control characters escaped."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _sum(one: UsageSum) -> tuple[str, ...]:
    counts = (one.requests, one.failed, one.open, one.input_tokens, one.cached_input_tokens, one.output_tokens)
    return (*map(str, counts), str(one.estimated), one.cost)


def _row(row: UsageRow) -> tuple[str, ...]:
    tokens = row.tokens
    return (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.started_at)),
        *(row.id, row.key, row.route, row.model, row.provider, str(row.attempts)),
        *(str(tokens.input), str(tokens.cached_input), str(tokens.output), "yes" if tokens.estimated else ""),
        row.cost,
        "" if row.first_token_s is None else f"{row.first_token_s:g}",
        f"{row.duration_s:g}",
        row.ended or "",
    )


def _cell(text: str) -> str:
    """OWASP's list for CSV injection: spreadsheets skip what is invisible in front, and some read full-width signs."""
    start = text.lstrip(_SKIPPED)
    formula = start.startswith(_FORMULA) or text.startswith(("\t", "\r", "\n"))
    return f"'{text}" if formula else text
