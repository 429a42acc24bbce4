"""`penstock usage`: what requests used and cost, over the admin API. A table for people, CSV for sheets, JSON."""

import argparse
import datetime as dt
import re
import sys
from typing import TextIO

import msgspec

from penstock_client.admin.client import AdminClient
from penstock_client.cli.admin_command import Invocation, call_admin_api, command, duration
from penstock_contract.limits.api_keys import KeyList
from penstock_contract.usage.report import UsageRows, UsageSums
from penstock_contract.usage.table import Table, csv_text, printable_text, rows_table, sums_table
from penstock_runtime.parsers import with_examples

ROWS_MAX = 100_000

_WORDS = re.compile(r"[a-z]")


def run(invocation: Invocation) -> int:
    """Runs the command. Returns the exit code; raises `SystemExit` for wrong arguments."""
    options = parser().parse_args(invocation.arguments)
    now = int(invocation.now())
    query = {"since": str(_moment(options.since, now))}
    if options.until is not None:
        query["until"] = str(_moment(options.until, now))

    def show(admin: AdminClient) -> None:
        stdout = invocation.stdout
        found: UsageRows | UsageSums
        if options.by == "request":
            found = _rows(admin, query, invocation.stderr)
            table = rows_table(found.rows)
        else:
            found = admin.call("GET", "/admin/usage", UsageSums, query={"by": options.by, **query})
            table = sums_table(found, _names(admin) if options.by == "key" else {})
        if options.json:
            stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
        else:
            stdout.write(csv_text(table, printable=stdout.isatty()) if options.csv else _columns(table))

    return call_admin_api("usage", show, invocation, options.url)


def parser() -> argparse.ArgumentParser:
    made = command("usage", "Show what requests used and cost.")
    made.add_argument(
        "--by",
        choices=["key", "model", "route", "provider", "day", "request"],
        default="key",
        help="what to add up, or each request (default: %(default)s)",
    )
    made.add_argument(
        "--since",
        type=_day_or_age,
        default=dt.timedelta(days=30),
        metavar="30d",
        help="a day in UTC, or how long ago (default: 30d)",
    )
    made.add_argument(
        "--until", type=_day_or_age, metavar="2026-12-01", help="requests before this day in UTC, or this long ago"
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="for a spreadsheet")
    form.add_argument("--json", action="store_true", help="the admin API's response")
    return with_examples(
        made,
        "penstock usage --by model --since 7d",
        "penstock usage --by request --since 2026-11-22 --csv > requests.csv",
        "penstock usage --by day --since 2026-11-01 --until 2026-12-01 --json",
    )


def _day_or_age(text: str) -> dt.date | dt.timedelta:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return dt.timedelta(seconds=duration(text))
    except argparse.ArgumentTypeError:
        message = f"{text!r} is neither like 2026-11-22 nor like 30d, 12h or 90s"
        raise argparse.ArgumentTypeError(message) from None


def _moment(given: dt.date | dt.timedelta, now: int) -> int:
    """In Unix seconds."""
    if isinstance(given, dt.timedelta):
        return max(0, now - int(given.total_seconds()))
    return int(dt.datetime.combine(given, dt.time(), dt.UTC).timestamp())


def _names(admin: AdminClient) -> dict[str, str]:
    return {key.id: key.name for key in admin.call("GET", "/admin/keys", KeyList).keys}


def _rows(admin: AdminClient, query: dict[str, str], stderr: TextIO) -> UsageRows:
    found = admin.call("GET", "/admin/usage/rows", UsageRows, query={**query, "limit": str(ROWS_MAX)})
    if found.more:
        stderr.write(f"penstock usage: {found.more} older requests are left out\n")
    return found


def _columns(table: Table) -> str:
    """Text to the left, numbers to the right; what a terminal would obey is shown escaped."""
    shown = [tuple(printable_text(cell) for cell in row) for row in table]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    right = [all(not _WORDS.search(cell) for cell in column[1:]) for column in zip(*shown, strict=True)]
    return "".join(
        "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in cells).rstrip()
        + "\n"
        for cells in (list(zip(row, widths, right, strict=True)) for row in shown)
    )


def main() -> None:
    sys.exit(run(Invocation.of_process()))
