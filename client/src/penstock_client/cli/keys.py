"""`penstock keys`: make, list, show, revoke and rotate API keys over the admin API.

The key alone goes to standard output, so that `KEY=$(penstock keys create me)` does what it looks like.
"""

import argparse
import re
import sys
import time
from typing import Any

import msgspec

from penstock_client.admin.client import AdminClient
from penstock_client.cli.admin_command import Invocation, call_admin_api, command, duration, where_after
from penstock_contract.limits.api_keys import Budget, KeyLimits, KeyList, KeySpec, KeyView, Rotation
from penstock_runtime.parsers import with_examples


def run(invocation: Invocation) -> int:
    """Runs the command. Returns the exit code; raises `SystemExit` for wrong arguments."""
    options = parser().parse_args(invocation.arguments)
    return call_admin_api("keys", lambda admin: options.run(admin, options, invocation), invocation, options.url)


def parser() -> argparse.ArgumentParser:
    made = command("keys", "Manage API keys over a gateway's admin API.")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    where = where_after()
    shown = "Make a key and print it; it can be read only now."
    create = commands.add_parser("create", help="make a key and print it, once", description=shown, parents=[where])
    create.set_defaults(run=_create)
    create.add_argument("name", metavar="NAME", help="a name for people, in keys list and usage")
    create.add_argument(
        "--expires-in", type=duration, metavar="30d", help="time until it expires, in s, m, h, d or w; without: never"
    )
    create.add_argument(
        "--route",
        action="append",
        default=[],
        help="a route it may use: namespace.name or a beginning and *; repeatable",
    )
    create.add_argument(
        "--model",
        action="append",
        default=[],
        help="a model it may use: a name or a beginning and *; repeatable",
    )
    create.add_argument("--requests-per-minute", type=int, metavar="N", help="over all gateways")
    create.add_argument("--tokens-per-minute", type=int, metavar="N", help="of input and output")
    create.add_argument("--concurrent-streams", type=int, metavar="N", help="requests at the same time")
    create.add_argument("--queue-share-percent", type=int, metavar="N", help="of a route's queue")
    create.add_argument("--budget", metavar="10.00", help="money for each period")
    create.add_argument("--period", choices=["Day", "Week", "Month", "Total"], default="Month", help="of the budget")
    create.add_argument("--currency", default="USD", help="a label: nothing is converted")
    create.add_argument(
        "--metadata",
        action="append",
        type=_pair,
        default=[],
        metavar="NAME=VALUE",
        help="a label; repeatable",
    )
    create.add_argument("--json", action="store_true", help="everything about the key, as JSON")
    listing = commands.add_parser("list", help="show all keys", description="Show all keys.", parents=[where])
    listing.set_defaults(run=_list)
    listing.add_argument("--json", action="store_true", help="with limits and budgets")
    for name, run_, description in (
        ("show", _show, "show one key"),
        ("revoke", _revoke, "revoke a key in every gateway, at once and for good"),
        ("rotate", _rotate, "make a new secret for a key and print it, once"),
    ):
        sentence = f"{description[:1].upper()}{description[1:]}."
        one = commands.add_parser(name, help=description, description=sentence, parents=[where])
        one.set_defaults(run=run_)
        one.add_argument("id", metavar="ID", type=_id, help="of penstock keys list")
        if name == "rotate":
            one.add_argument(
                "--grace", type=duration, default=3600, metavar="1h", help="how long the old secret stays valid"
            )
            one.add_argument("--json", action="store_true", help="everything about the key, as JSON")
        with_examples(one, f"penstock keys {name} key_0123456789abcdEF")
    with_examples(listing, "penstock keys list", "penstock keys list --json")
    with_examples(
        create,
        "penstock keys create Ada --expires-in 30d --model smollm2",
        "penstock keys create Team --requests-per-minute 60 --budget 10.00 --period Month",
        'KEY=$(penstock keys create ci --route "ai.*")',
    )
    return with_examples(
        made, "penstock keys create Ada", "penstock keys list", "penstock keys revoke key_0123456789abcdEF"
    )


def _create(admin: AdminClient, options: argparse.Namespace, invocation: Invocation) -> None:
    fields: dict[str, Any] = {
        "name": options.name,
        "expires_at": None if options.expires_in is None else int(invocation.now()) + options.expires_in,
        "routes": options.route,
        "models": options.model,
        "limits": KeyLimits(
            requests_per_minute=options.requests_per_minute,
            tokens_per_minute=options.tokens_per_minute,
            concurrent_streams=options.concurrent_streams,
            queue_share_percent=options.queue_share_percent,
        ),
        "budget": None
        if options.budget is None
        else Budget(amount=options.budget, period=options.period, currency=options.currency),
        "metadata": dict(options.metadata),
    }
    made = admin.call("POST", "/admin/keys", KeyView, body=KeySpec(**fields))
    _show_once(made, invocation, as_json=options.json)


def _list(admin: AdminClient, options: argparse.Namespace, invocation: Invocation) -> None:
    keys = admin.call("GET", "/admin/keys", KeyList).keys
    if options.json:
        invocation.stdout.write(_json(keys))
        return
    rows = [("ID", "NAME", "KEY", "STATE", "EXPIRES", "MODELS"), *(_row(key) for key in keys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    invocation.stdout.writelines(f"{line}\n" for line in lines)


def _show(admin: AdminClient, options: argparse.Namespace, invocation: Invocation) -> None:
    invocation.stdout.write(_json(admin.call("GET", f"/admin/keys/{options.id}", KeyView)))


def _revoke(admin: AdminClient, options: argparse.Namespace, invocation: Invocation) -> None:
    key = admin.call("DELETE", f"/admin/keys/{options.id}", KeyView)
    invocation.stderr.write(f"{key.id} ({key.name}) is revoked\n")


def _rotate(admin: AdminClient, options: argparse.Namespace, invocation: Invocation) -> None:
    rotation = Rotation(grace_seconds=options.grace)
    key = admin.call("POST", f"/admin/keys/{options.id}/rotate", KeyView, body=rotation)
    _show_once(key, invocation, as_json=options.json)


def _show_once(made: KeyView, invocation: Invocation, *, as_json: bool) -> None:
    if as_json:
        invocation.stdout.write(_json(made))
        return
    invocation.stdout.write(f"{made.key}\n")
    invocation.stderr.write(f"{made.id} ({made.name}). It is shown this once: only its hash is kept.\n")


def _row(key: KeyView) -> tuple[str, ...]:
    expires = "never" if key.expires_at is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(key.expires_at))
    return (key.id, key.name, f"sk-…{key.hint}", key.state, expires, ", ".join(key.models) or "all")


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _id(text: str) -> str:
    if re.fullmatch(r"key_[A-Za-z0-9]{16}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a key's id, see penstock keys list")
    return text


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not like team=blue")
    return name, value


def main() -> None:
    sys.exit(run(Invocation.of_process()))
