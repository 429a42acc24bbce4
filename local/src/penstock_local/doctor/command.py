"""`penstock doctor`: run every check and print what was found. Exit code 1 if there is a problem."""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from penstock_local import state_directory
from penstock_local.doctor import broker, cluster, gateway, machine, routes
from penstock_local.doctor.diagnosis import Diagnosis, render
from penstock_runtime.parsers import with_examples


def parser() -> ArgumentParser:
    made = ArgumentParser(
        prog="penstock doctor",
        description="Find what would keep Penstock from serving on this machine, or what keeps a release in a cluster "
        "from it, and print what to do.",
    )
    made.add_argument(
        "-f", "--file", nargs="+", action="extend", default=[], metavar="ROUTES.yaml", help="also check these routes"
    )
    made.add_argument("--host", default="127.0.0.1", help="where penstock dev would listen (default: %(default)s)")
    made.add_argument("--port", type=int, default=8080, help="its port (default: %(default)s)")
    made.add_argument("--state", type=Path, metavar="DIR", help="its state directory")
    made.add_argument(
        "-n", "--namespace", metavar="NAMESPACE", help="check the chart's release there with kubectl, not this machine"
    )
    made.add_argument("--context", metavar="NAME", help="the context of kubectl (default: its current one)")
    made.add_argument("--offline", action="store_true", help="do not call the routes' providers")
    made.add_argument("--json", action="store_true", help="a list of {check, state, found, advice}")
    return with_examples(
        made,
        "penstock doctor",
        "penstock doctor -f routes.yaml",
        "penstock doctor --namespace ai",
        "PENSTOCK_URL=https://llm.example.com PENSTOCK_API_KEY=sk-penstock-... penstock doctor --json",
    )


def findings(options: Namespace, environ: Mapping[str, str], now: Callable[[], float]) -> Iterator[Diagnosis]:
    if options.namespace is not None:
        yield from cluster.check(options.namespace, options.context)
        return
    yield from machine.check(options.state or state_directory.default_directory())
    yield gateway.port(options.host, options.port)
    yield from gateway.variables(environ)
    yield from routes.check(options.file, environ, offline=options.offline)
    if (nats := environ.get("PENSTOCK_NATS_URL")) is not None:
        yield from broker.check(nats, environ.get("PENSTOCK_NATS_CREDENTIALS"), now)
    if (url := environ.get("PENSTOCK_URL")) is not None:
        yield from gateway.reached(url, environ.get("PENSTOCK_API_KEY", "").strip() or None, now)


def main() -> None:
    options = parser().parse_args()
    found = list(findings(options, os.environ, time.time))
    text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n" if options.json else render(found)
    sys.stdout.write(text)
    sys.exit(any(finding.state == "problem" for finding in found))
