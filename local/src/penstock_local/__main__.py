"""Entry point of `penstock dev`: its options, and the exit status."""

import asyncio
import os
import signal
import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError

from penstock_local.composition import serve
from penstock_local.disk_space import NoSpace
from penstock_local.process import ports
from penstock_local.process.nats_server import NoServer
from penstock_local.routes import route_files
from penstock_local.routes.route_files import InvalidRoutes
from penstock_runtime.command import INTERRUPTED

PORT_MAX = 65_535


def main() -> None:
    # Nothing to clean up yet, and a KeyboardInterrupt would show where; `serve` takes the signals over.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    arguments = parser().parse_args()
    try:
        routes = route_files.load(route_files.read(arguments.file))
        with ports.listener(arguments.host, arguments.port) as listener:
            failure = asyncio.run(serve(routes, listener, arguments))
    except (InvalidRoutes, ports.PortTaken, NoServer, NoSpace) as error:
        failure = str(error)
    except OSError as error:
        # Of the run's own directory: what listens, is read or is started has its own words above.
        failure = f"{error.filename or tempfile.gettempdir()}: {error.strerror or error}"
    except KeyboardInterrupt:  # after the loop has given the signal back
        failure = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is Python's own end
    sys.exit(f"penstock dev: {failure}" if isinstance(failure, str) else failure)


def parser() -> ArgumentParser:
    options = ArgumentParser(
        prog="penstock dev",
        description="Run gateway, workers, nats-server and two small models on this machine.",
        epilog="A secretKeyRef {name: openai, key: api-key} is read from the environment variable OPENAI_API_KEY.",
    )
    options.add_argument(
        "-f",
        "--file",
        nargs="+",
        action="extend",
        default=[],
        metavar="ROUTES.yaml",
        help="ModelRoute files or directories of them, - for standard input (default: the bundled models)",
    )
    options.add_argument("--host", default="127.0.0.1", help="where the gateway listens (default: %(default)s)")
    options.add_argument("--port", type=_port, default=8080, help="0 takes any free port (default: %(default)s)")
    options.add_argument("--verbose", action="store_true", help="show every log line, not only warnings and errors")
    return options


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > PORT_MAX:
        raise ArgumentTypeError(f"{text!r} is not a port, which is a number from 0 to {PORT_MAX}")
    return int(text)


if __name__ == "__main__":
    main()
