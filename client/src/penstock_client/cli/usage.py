"""`penstock usage`: what requests used and cost, over the admin API. A table for people, CSV for sheets."""

import argparse
import csv
import datetime as dt
import io
import re
import sys
import time
from typing import TextIO

from penstock_client.admin.client import AdminClient
from penstock_client.cli.admin_command import Invocation, call_admin_api, command, duration
from penstock_contract.limits.api_keys import KeyList
from penstock_contract.usage.record import UsageRow
from penstock_contract.usage.report import UsageRows, UsageSum, UsageSums
from penstock_runtime.examples import with_examples

ROWS_MAX = 100_000

Table = list[tuple[str, ...]]

SUMS = ("requests", "failed", "open", "input tokens", "cached", "output tokens", "estimated", "cost")
ROWS = (
    *("started", "request", "key", "route", "model", "provider", "attempts", "input tokens", "cached"),
    *("output tokens", "estimated", "cost", "first token s", "duration s", "ended"),
)
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_SKIPPED = "".join(chr(code) for code in range(0x3001) if chr(code).isspace() or not chr(code).isprintable()) + "\ufeff"
_WORDS = re.compile(r"[a-z]")


def run(invocation: Invocation) -> int:
    """Runs the command. Returns the exit code; raises `SystemExit` for wrong arguments."""
    options = parser().parse_args(invocation.arguments)
    since = options.since if options.since_is_date else int(invocation.now()) - options.since

    def show(admin: AdminClient) -> None:
        stdout = invocation.stdout
        table = _rows(admin, since, invocation.stderr) if options.by == "request" else _sums(admin, options.by, since)
        stdout.write(_csv(table, printable=stdout.isatty()) if options.csv else _columns(table))

    return call_admin_api("usage", show, invocation, options.url)


class _Since(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, *_: object
    ) -> None:
        text = str(values)
        try:
            date = dt.date.fromisoformat(text)
        except ValueError:
            try:
                namespace.since, namespace.since_is_date = duration(text), False
            except argparse.ArgumentTypeError:
                parser.error(f"argument --since: {text!r} is neither like 2026-11-22 nor like 30d, 12h or 90s")
        else:
            namespace.since = int(dt.datetime.combine(date, dt.time(), dt.UTC).timestamp())
            namespace.since_is_date = True


def parser() -> argparse.ArgumentParser:
    made = command("usage", "Show what requests used and cost.")
    made.add_argument(
        "--by",
        choices=["key", "model", "route", "provider", "day", "request"],
        default="key",
        help="what to add up, or each request (default: %(default)s)",
    )
    made.add_argument("--since", action=_Since, metavar="30d", help="a day in UTC, or how long ago (default: 30d)")
    made.add_argument("--csv", action="store_true", help="for a spreadsheet")
    made.set_defaults(since=30 * 86_400, since_is_date=False)
    return with_examples(
        made,
        "penstock usage --by model --since 7d",
        "penstock usage --by request --since 2026-11-22 --csv > requests.csv",
    )


def _sums(admin: AdminClient, by: str, since: int) -> Table:
    found = admin.call("GET", "/admin/usage", UsageSums, query={"by": by, "since": str(since)}).sums
    names = {key.id: key.name for key in admin.call("GET", "/admin/keys", KeyList).keys} if by == "key" else {}
    head = (by, "name", *SUMS) if by == "key" else (by, *SUMS)
    return [head, *((one.of, *([names.get(one.of, "")] if by == "key" else []), *_sum(one)) for one in found)]


def _sum(one: UsageSum) -> tuple[str, ...]:
    counts = (one.requests, one.failed, one.open, one.input_tokens, one.cached_input_tokens, one.output_tokens)
    return (*map(str, counts), str(one.estimated), one.cost)


def _rows(admin: AdminClient, since: int, stderr: TextIO) -> Table:
    found = admin.call("GET", "/admin/usage/rows", UsageRows, query={"since": str(since), "limit": str(ROWS_MAX)})
    if found.more:
        stderr.write(f"penstock usage: {found.more} older requests are left out\n")
    return [ROWS, *(_row(row) for row in found.rows)]


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


def _csv(table: Table, *, printable: bool = False) -> str:
    """RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe: clients choose model names.

    `printable` is for a terminal: what it would obey is shown escaped. A file gets the names as they are.
    """
    out = io.StringIO()
    csv.writer(out).writerows([_cell(_printable(cell) if printable else cell) for cell in row] for row in table)
    return out.getvalue()


def _cell(text: str) -> str:
    """OWASP's list for CSV injection: spreadsheets skip what is invisible in front, and some read full-width signs."""
    start = text.lstrip(_SKIPPED)
    formula = start.startswith(_FORMULA) or text.startswith(("\t", "\r", "\n"))
    return f"'{text}" if formula else text


def _columns(table: Table) -> str:
    """Text to the left, numbers to the right; what a terminal would obey is shown escaped."""
    shown = [tuple(_printable(cell) for cell in row) for row in table]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    right = [all(not _WORDS.search(cell) for cell in column[1:]) for column in zip(*shown, strict=True)]
    return "".join(
        "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in cells).rstrip()
        + "\n"
        for cells in (list(zip(row, widths, right, strict=True)) for row in shown)
    )


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]


def main() -> None:
    sys.exit(run(Invocation.of_process()))
