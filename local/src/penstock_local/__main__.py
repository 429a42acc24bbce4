"""Composition root of `penstock dev`."""

import asyncio
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from penstock_local import ports, route_files
from penstock_local.broker import NoServer
from penstock_local.reporter import Reporter
from penstock_local.route_files import InvalidRoutes, LoadedRoute
from penstock_local.run_directory import run_directory
from penstock_local.stack import Address, Stack


async def serve(routes: Sequence[LoadedRoute], arguments: Namespace) -> str | None:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    with run_directory() as directory:
        reporter = Reporter(sys.stdout, directory / "penstock.log", verbose=arguments.verbose, colour=colour)
        stack = Stack(routes, os.environ, Address(arguments.host, arguments.port), directory, reporter)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stack.stop)
        try:
            return await stack.run()
        finally:
            reporter.close()


def main() -> None:
    arguments = _parser().parse_args()
    try:
        routes = route_files.load(route_files.read(arguments.file))
        if arguments.port == 0:
            arguments.port = ports.free(arguments.host)
        ports.check(arguments.host, arguments.port)
        failure = asyncio.run(serve(routes, arguments))
    except (InvalidRoutes, ports.PortTaken, NoServer) as error:
        failure = str(error)
    except KeyboardInterrupt:  # before the loop was there to take it
        failure = "interrupted"
    if failure is not None:
        sys.exit(f"penstock dev: {failure}")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="penstock dev",
        description="Run gateway, workers, nats-server and two small models on this machine.",
        epilog="A secretKeyRef {name: openai, key: api-key} is read from the environment variable OPENAI_API_KEY.",
    )
    parser.add_argument(
        "-f",
        "--file",
        nargs="+",
        action="extend",
        default=[],
        metavar="ROUTES.yaml",
        help="ModelRoute files, - for standard input (default: the bundled models)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where the gateway listens (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes any free port (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="show every log line, not only warnings and errors")
    return parser


if __name__ == "__main__":
    main()
