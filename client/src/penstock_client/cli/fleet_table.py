"""Renders the fleet for a terminal: a line of totals, the routes, and what each key has spent today. Pure."""

import time
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from penstock_contract.fleet.view import Fleet, GatewayView, RouteView, Traffic
from penstock_contract.usage.money import picos
from penstock_contract.usage.table import printable_text

Sort = str
SORTS: Final = ("activity", "name", "errors", "cost")
KEYS_SHOWN: Final = 8
LAST: Final = "most frequent error"
PADDING: Final = 2
NAME_MIN: Final = 8


class Shown(NamedTuple):
    """Options of the table: `here` is this gateway's traffic alone, `rows` the most routes."""

    sort: Sort = "activity"
    here: bool = False
    rows: int | None = None
    width: int = 200


class _Column(NamedTuple):
    head: str
    width_min: int
    """The terminal's width from which on the column is shown."""


COLUMNS: Final = (
    _Column("waiting", 0),
    _Column("in flight", 0),
    _Column("workers", 0),
    _Column("tok/s", 0),
    _Column("first p50", 60),
    _Column("first p95", 90),
    _Column("first p99", 78),
    _Column("requests", 100),
    _Column("errors", 60),
    _Column("today", 70),
    _Column(LAST, 130),
)


def fleet_table(fleet: Fleet, shown: Shown) -> RenderableType:
    parts: list[RenderableType] = [_totals(fleet, shown), Text()]
    parts += [Text(f"! {problem}", style="yellow") for problem in problems(fleet)]
    parts.append(_routes(fleet, shown))
    if fleet.spend_today.keys:
        parts += [Text(), _keys(fleet, shown)]
    return Group(*parts)


def problems(fleet: Fleet) -> list[str]:
    """The parts that are missing in the figures."""
    found = []
    if not fleet.broker_connected:
        found.append("the gateway has no connection to the message broker: queues and other gateways are unknown")
    silent = [one.gateway for one in fleet.gateways if not one.reports]
    if silent:
        found.append(f"no report from {', '.join(silent)}: the sums lack their requests")
    if any(one.reports and not one.has_metrics for one in fleet.gateways):
        found.append("OTEL_SDK_DISABLED is set: ended requests are not counted")
    if not fleet.spend_today.complete:
        found.append("the usage records cannot be read: today's cost is missing or old")
    found += [f"{one.route}: {printable_text(one.reason)}" for one in fleet.routes if one.reason]
    return found


def ordered(routes: list[RouteView], shown: Shown) -> list[RouteView]:
    match shown.sort:
        case "name":
            return sorted(routes, key=lambda route: route.route)
        case "errors":
            return sorted(routes, key=lambda route: (-_traffic(route, shown).failed, route.route))
        case "cost":
            return sorted(routes, key=lambda route: (-picos(route.cost_today), route.route))
        case _:
            return sorted(
                routes,
                key=lambda route: (
                    -(route.in_flight + (route.waiting or 0)),
                    -_traffic(route, shown).output_tokens_per_second,
                    -_traffic(route, shown).requests,
                    route.route,
                ),
            )


def seconds(value: float | None) -> str:
    """Three digits are enough to compare."""
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def money(amount: str) -> str:
    """Cut off after two decimals, of an amount below 1 after four or its second digit that is not 0."""
    whole, _, decimals = amount.partition(".")
    digits = 2 if whole != "0" else max(4, len(decimals) - len(decimals.lstrip("0")) + 2)
    return amount if len(decimals) <= digits else f"{whole}.{decimals[:digits]}"


def _traffic(route: RouteView, shown: Shown) -> Traffic:
    return route.this_gateway if shown.here else route.fleet


def _totals(fleet: Fleet, shown: Shown) -> Text:
    scope = "this gateway" if shown.here else _gateways(fleet.gateways)
    per_second = sum(_traffic(route, shown).output_tokens_per_second for route in fleet.routes)
    parts = [
        ("penstock top", "bold"),
        (scope, ""),
        (f"{sum(route.in_flight for route in fleet.routes)} in flight", ""),
        (f"{sum(route.waiting or 0 for route in fleet.routes)} waiting", ""),
        (f"{per_second:,.0f} tok/s", ""),
        (f"today {money(fleet.spend_today.total)}", ""),
        (time.strftime("%H:%M:%S UTC", time.gmtime(fleet.at)), "dim"),
    ]
    line = Text(no_wrap=True, overflow="ellipsis")
    for number, (part, style) in enumerate(parts):
        line.append("   " if number else "").append(part, style)
    return line


def _gateways(gateways: list[GatewayView]) -> str:
    return "1 gateway" if len(gateways) == 1 else f"{len(gateways)} gateways"


def _routes(fleet: Fleet, shown: Shown) -> Table:
    columns = [column.head for column in COLUMNS if shown.width >= column.width_min]
    routes = ordered(fleet.routes, shown)
    kept = routes if shown.rows is None or len(routes) <= shown.rows else routes[: max(1, shown.rows - 1)]
    cells = [_cells(route, _traffic(route, shown)) for route in kept]
    # The name gives way, and no figure.
    figures = sum(PADDING + max(len(head), *(len(one[head]) for one in cells), 0) for head in columns)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, PADDING // 2))
    table.add_column("route", no_wrap=True, overflow="ellipsis", max_width=max(NAME_MIN, shown.width - figures))
    for head in columns:
        table.add_column(head, justify="left" if head == LAST else "right", no_wrap=True)
    for route, row in zip(kept, cells, strict=True):
        name = Text(printable_text(route.route), style="" if route.state == "ready" else "dim")
        table.add_row(name, *(row[head] for head in columns))
    if len(kept) < len(routes):
        table.add_row(Text(f"{len(routes) - len(kept)} more routes", style="dim"))
    return table


def _cells(route: RouteView, traffic: Traffic) -> dict[str, Text]:
    waiting = "?" if route.waiting is None else str(route.waiting)
    draining = f"+{route.draining}" if route.draining else ""
    share = f" ({traffic.failed / traffic.requests:.1%})" if traffic.failed else ""
    code = max(traffic.errors, key=lambda code: traffic.errors[code], default="")
    full = bool(route.slots) and route.in_flight >= route.slots
    first_token = traffic.first_token
    return {
        "waiting": Text(waiting, style="bold yellow" if route.waiting else ""),
        "in flight": Text(f"{route.in_flight}/{route.slots}", style="yellow" if full else ""),
        "workers": Text(f"{route.workers}{draining}", style="" if route.workers else "dim"),
        "tok/s": Text(f"{traffic.output_tokens_per_second:,.0f}"),
        "first p50": Text(seconds(first_token.p50_s)),
        "first p95": Text(seconds(first_token.p95_s)),
        "first p99": Text(seconds(first_token.p99_s)),
        "requests": Text(f"{traffic.requests:,}"),
        "errors": Text(f"{traffic.failed:,}{share}", style="red" if traffic.failed else ""),
        "today": Text(money(route.cost_today)),
        LAST: Text(printable_text(code), style="red"),
    }


def _keys(fleet: Fleet, shown: Shown) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column("spent today by", no_wrap=True, overflow="ellipsis", min_width=14)
    if shown.width >= 60:
        table.add_column("key", no_wrap=True)
    table.add_column("requests", justify="right", no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    for one in fleet.spend_today.keys[:KEYS_SHOWN]:
        name = Text(printable_text(one.name or one.key))
        key = [Text(one.key, style="dim")] if shown.width >= 60 else []
        table.add_row(name, *key, Text(f"{one.requests:,}"), Text(money(one.cost)))
    more = len(fleet.spend_today.keys) - KEYS_SHOWN
    if more > 0:
        table.add_row(Text(f"{more} more: penstock usage --since 24h", style="dim"))
    return table
