"""`penstock top`: the routes of an installation as a live table, over the admin API."""

import argparse
import sys
from typing import TextIO

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from penstock_client.admin.client import AdminClient, address
from penstock_client.cli.admin_command import Invocation, call_admin_api, command
from penstock_client.cli.fleet_table import KEYS_SHOWN, SORTS, Shown, fleet_table, problems
from penstock_client.cli.keyboard import Keyboard
from penstock_client.errors import GatewayUnreachable
from penstock_contract.fleet.view import Fleet
from penstock_runtime.parsers import with_examples

PATH = "/admin/fleet"
INTERVAL_MIN_S = 0.5
OTHER_LINES = 8
"""Totals, heads and empty lines around the routes."""
WIDTH_WITHOUT_TERMINAL = 240
HELP = "q quit   s sort: {sort}   g {scope}"


def run(invocation: Invocation, stdin: TextIO) -> int:
    """Runs the command. Returns the exit code; raises `SystemExit` for wrong arguments."""
    options = parser().parse_args(invocation.arguments)
    stdout = invocation.stdout

    def show(admin: AdminClient) -> None:
        if options.page:
            at = address(invocation.environ, options.url)
            stdout.write(f"{at.url}/#token={at.token}\n")
        elif options.json:
            fleet = admin.call("GET", PATH, Fleet)
            stdout.write(msgspec.json.format(msgspec.json.encode(fleet), indent=2).decode() + "\n")
        elif options.once or not stdout.isatty():
            _print_once(admin.call("GET", PATH, Fleet), stdout, options.sort)
        else:
            _watch(admin, stdin, stdout, options)

    return call_admin_api("top", show, invocation, options.url)


def parser() -> argparse.ArgumentParser:
    made = command(
        "top",
        "Show the routes of an installation live: queue, workers, tokens per second, first token, errors, spend.",
    )
    made.add_argument("--once", action="store_true", help="print one table and exit; so it is without a terminal")
    made.add_argument("--json", action="store_true", help="print the admin API's response and exit")
    made.add_argument(
        "--page", action="store_true", help="print the address of the fleet page, with the token, and exit"
    )
    made.add_argument(
        "--interval", type=_interval, default=2.0, metavar="2", help="seconds between two readings (default: 2)"
    )
    made.add_argument("--sort", choices=SORTS, default=SORTS[0], help="order of the routes (default: %(default)s)")
    return with_examples(made, "penstock top", "penstock top --once --sort cost", "penstock top --json")


def _print_once(fleet: Fleet, stdout: TextIO, sort: str) -> None:
    width = None if stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(file=stdout, width=width, highlight=False, emoji=False, markup=False)
    with console.capture() as captured:
        console.print(fleet_table(fleet, Shown(sort, width=console.width)))
    stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _watch(admin: AdminClient, stdin: TextIO, stdout: TextIO, options: argparse.Namespace) -> None:
    """Until `q` or Ctrl-C. The first error ends it; later a gateway that is away is shown and tried again."""
    console = Console(file=stdout, highlight=False, emoji=False, markup=False)
    fleet, shown, problem = admin.call("GET", PATH, Fleet), Shown(options.sort), ""
    with Keyboard(stdin) as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_screen(fleet, shown, problem, console), refresh=True)
            typed = keyboard.pressed(options.interval)
            if "q" in typed or "\x04" in typed:
                return
            if "s" in typed:
                shown = shown._replace(sort=SORTS[(SORTS.index(shown.sort) + 1) % len(SORTS)])
            elif "g" in typed:
                shown = shown._replace(here=not shown.here)
            else:
                try:
                    fleet, problem = admin.call("GET", PATH, Fleet), ""
                except GatewayUnreachable as error:
                    problem = f"{error.message}; trying again"


def _screen(fleet: Fleet, shown: Shown, problem: str, console: Console) -> Group:
    spent = min(len(fleet.spend_today.keys), KEYS_SHOWN + 1)
    rows = max(1, console.height - OTHER_LINES - spent - len(problems(fleet)) - bool(problem))
    scope = "all gateways" if shown.here else "this gateway only"
    last = Text(f"! {problem}", style="bold red") if problem else Text()
    keys = Text(HELP.format(sort=shown.sort, scope=scope), style="dim")
    return Group(fleet_table(fleet, shown._replace(rows=rows, width=console.width)), last, keys)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not INTERVAL_MIN_S <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from {INTERVAL_MIN_S} to 3600")
    return seconds


def main() -> None:
    try:
        code = run(Invocation.of_process(), sys.stdin)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
