"""The table of `penstock top`: what fits, what is missing, and no control sequence of a name."""

import pytest
from msgspec.structs import replace
from rich.console import Console

from penstock_client.cli.fleet_table import Shown, fleet_table, money, ordered, problems, seconds
from penstock_contract.fleet.view import (
    FirstToken,
    Fleet,
    GatewayView,
    KeySpend,
    RouteView,
    SpendToday,
    Traffic,
)


def traffic(requests: int = 0, errors: dict[str, int] | None = None, rate: float = 0.0) -> Traffic:
    errors = errors or {}
    return Traffic(
        requests=requests,
        failed=sum(errors.values()),
        errors=errors,
        input_tokens=0,
        output_tokens=0,
        output_tokens_per_second=rate,
        first_token=FirstToken(count=1, p50_s=0.0234, p95_s=1.5, p99_s=None),
    )


def route(name: str, **fields: object) -> RouteView:
    view = RouteView(
        route=name,
        state="ready",
        reason="",
        waiting=0,
        delivered=0,
        workers=1,
        draining=0,
        slots=8,
        in_flight=0,
        fleet=traffic(),
        this_gateway=traffic(),
        cost_today="0",
        spend_today=[],
    )
    return replace(view, **fields)


def fleet(*routes: RouteView, **fields: object) -> Fleet:
    gateway = GatewayView(gateway="gw-1", reports=True, version="1", has_metrics=True, in_flight=0, errors={})
    spend = SpendToday(since=0, read_at=0, complete=True, total="0", keys=[])
    view = Fleet(
        at=0, gateway="gw-1", broker_connected=True, gateways=[gateway], routes=list(routes), spend_today=spend
    )
    return replace(view, **fields)


WIDE = Shown()


def text(view: Fleet, shown: Shown = WIDE) -> str:
    console = Console(width=shown.width, highlight=False, emoji=False, markup=False, color_system=None)
    with console.capture() as captured:
        console.print(fleet_table(view, shown))
    return captured.get()


BUSY = route(
    "team.chat",
    waiting=3,
    in_flight=8,
    draining=1,
    cost_today="12.345",
    fleet=traffic(200, {"queue_full": 3, "stopped": 1}, 1234.5),
    this_gateway=traffic(50, {}, 10.0),
)


def test_fleet_table_shows_every_figure_of_a_route() -> None:
    (line,) = [line for line in text(fleet(BUSY)).splitlines() if line.startswith("team.chat")]
    assert line.split() == [
        *("team.chat", "3", "8/8", "1+1", "1,234", "23", "ms", "1.50", "s", "-", "200"),
        *("4", "(2.0%)", "12.34", "queue_full"),
    ]


def test_fleet_table_shows_the_traffic_of_one_gateway() -> None:
    (line,) = [line for line in text(fleet(BUSY), Shown(here=True)).splitlines() if line.startswith("team.chat")]
    assert line.split()[4] == "10"
    assert line.split()[10:12] == ["50", "0"]


@pytest.mark.parametrize("width", [50, 60, 80, 100, 160])
def test_fleet_table_fits_its_width(width: int) -> None:
    long = route("a-very-long-namespace.a-very-long-name-of-a-route-that-is-not-short")
    lines = text(fleet(BUSY, long), Shown(width=width)).splitlines()
    assert all(len(line) <= width for line in lines)
    assert any("8/8" in line for line in lines)


def test_fleet_table_counts_the_routes_that_do_not_fit() -> None:
    shown = text(fleet(*(route(f"team.r{number}") for number in range(30))), Shown(rows=10))
    assert sum(line.startswith("team.r") for line in shown.splitlines()) == 9
    assert "21 more routes" in shown


def test_fleet_table_escapes_control_sequences() -> None:
    spend = SpendToday(
        since=0,
        read_at=0,
        complete=True,
        total="1",
        keys=[KeySpend(key="key_1", name="\x1b]0;title\x07", requests=1, cost="1")],
    )
    shown = text(fleet(route("a.b", reason="\x1b[2Jgone"), spend_today=spend))
    assert "\x1b" not in shown
    assert "\\x1b[2Jgone" in shown


def test_fleet_table_reports_what_the_figures_lack() -> None:
    silent = GatewayView(gateway="gw-2", reports=False, version="", has_metrics=False, in_flight=0, errors={})
    blind = GatewayView(gateway="gw-1", reports=True, version="1", has_metrics=False, in_flight=0, errors={})
    spend = SpendToday(since=0, read_at=0, complete=False, total="0", keys=[])
    view = fleet(route("a.b", waiting=None), gateways=[blind, silent], broker_connected=False, spend_today=spend)
    found = problems(view)
    assert len(found) == 4
    for word in ("broker", "gw-2", "OTEL_SDK_DISABLED", "usage records"):
        assert any(word in problem for problem in found), word
    assert [line.split()[1] for line in text(view).splitlines() if line.startswith("a.b")] == ["?"]


@pytest.mark.parametrize(
    ("sort", "names"), [("activity", ["b", "c", "a"]), ("name", ["a", "b", "c"]), ("errors", ["c", "a", "b"])]
)
def test_fleet_table_orders_the_routes(sort: str, names: list[str]) -> None:
    routes = [route("a"), route("b", in_flight=2), route("c", fleet=traffic(3, {"stopped": 2}))]
    assert [one.route for one in ordered(routes, Shown(sort=sort))] == names


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0"),
        ("12", "12"),
        ("12.3", "12.3"),
        ("1234.5678", "1234.56"),
        ("0.123456", "0.1234"),
        ("0.000000123", "0.00000012"),
        ("0.99999", "0.9999"),
    ],
)
def test_fleet_table_cuts_money_off_and_never_rounds_it_up(amount: str, shown: str) -> None:
    assert money(amount) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.0051, "5 ms"), (0.5, "500 ms"), (2.346, "2.35 s"), (75.0, "75 s")]
)
def test_fleet_table_writes_durations_with_three_digits(value: float | None, shown: str) -> None:
    assert seconds(value) == shown
