"""Entry point of `penstock dev`: its options, and the exit status."""

import asyncio
import os
import signal
import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from penstock_local import state_directory
from penstock_local.composition import serve
from penstock_local.disk_space import NoSpace
from penstock_local.process import ports
from penstock_local.process.nats_server import NoServer
from penstock_local.routes import route_files
from penstock_local.routes.route_files import InvalidRoutes
from penstock_local.routes.watcher import RouteFileWatcher
from penstock_local.state_directory import StateInUse, StateUnusable
from penstock_runtime.command import INTERRUPTED
from penstock_runtime.parsers import with_examples

PORT_MAX = 65_535


def main() -> None:
    # Nothing to clean up yet, and a KeyboardInterrupt would show where; `serve` takes the signals over.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    arguments = parser().parse_args()
    try:
        watcher = RouteFileWatcher(arguments.file)
        routes = route_files.load(route_files.read(arguments.file))
        with ports.listener(arguments.host, arguments.port) as listener, _state(arguments) as state:
            failure = asyncio.run(serve(routes, watcher, listener, state, arguments))
    except (InvalidRoutes, ports.PortTaken, NoServer, NoSpace, StateInUse, StateUnusable) as error:
        failure = str(error)
    except OSError as error:
        # Of the run's own directory: what listens, is read or is started has its own words above.
        failure = f"{error.filename or tempfile.gettempdir()}: {error.strerror or error}"
    except KeyboardInterrupt:  # after the loop has given the signal back
        failure = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is Python's own end
    sys.exit(f"penstock dev: {failure}" if isinstance(failure, str) else failure)


@contextmanager
def _state(arguments: Namespace) -> Iterator[Path | None]:
    """The locked directory of the state, None for a run without one. Raises `StateInUse` and `StateUnusable`."""
    if arguments.fresh:
        yield None
        return
    with ExitStack() as held:
        try:
            state = held.enter_context(state_directory.locked(arguments.state or state_directory.default_directory()))
        except StateInUse as error:
            raise StateInUse(f"{error}; end it, or add --state DIR for another directory or --fresh for none") from None
        except StateUnusable as error:
            if arguments.state is not None:
                raise
            # A read-only home, as in a container: no reason not to serve.
            sys.stdout.write(f"{error}: keys and usage end with this run\n")
            state = None
        yield state


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
    kept = options.add_mutually_exclusive_group()
    kept.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="where keys, limits and usage outlive this run (default: penstock/dev in the user's data folder)",
    )
    kept.add_argument("--fresh", action="store_true", help="keep nothing: keys and usage end with this run")
    options.add_argument("--verbose", action="store_true", help="show every log line, not only warnings and errors")
    return with_examples(
        options,
        "penstock dev",
        "OPENAI_API_KEY=sk-... penstock dev -f openai.yaml --port 9000",
        "penstock dev --host 0.0.0.0 --state ./state",
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > PORT_MAX:
        raise ArgumentTypeError(f"{text!r} is not a port, which is a number from 0 to {PORT_MAX}")
    return int(text)


if __name__ == "__main__":
    main()
