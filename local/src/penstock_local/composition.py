"""Composition root of `penstock dev`: the run's directory, its log view, and the supervisor of its processes."""

import asyncio
import os
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from socket import socket

from penstock_local.process.supervisor import ProcessSupervisor
from penstock_local.routes.route_files import LoadedRoute
from penstock_local.routes.watcher import RouteFileWatcher
from penstock_local.run_directory import run_directory
from penstock_local.terminal.log_view import LogView
from penstock_runtime.command import INTERRUPTED


async def serve(
    routes: Sequence[LoadedRoute],
    watcher: RouteFileWatcher,
    listener: socket,
    state: Path | None,
    arguments: Namespace,
) -> str | int | None:
    """Returns what `sys.exit` takes: None, INTERRUPTED before the screen was shown, or what went wrong."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    loop = asyncio.get_running_loop()
    supervisor: ProcessSupervisor | None = None

    def stop() -> None:
        # The loop calls this at our first await, when there is a supervisor.
        if supervisor is not None:
            supervisor.stop()

    # Before there is anything to leave behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    with run_directory() as directory:
        log_view = LogView(sys.stdout, directory / "penstock.log", verbose=arguments.verbose, colour=colour)
        had_failures = True
        try:
            supervisor = ProcessSupervisor(
                routes, os.environ, arguments.host, listener, directory, log_view, state=state, watcher=watcher
            )
            failure = await supervisor.run()
            had_failures = failure is not None or supervisor.had_failures
        finally:
            log_view.close(keep_in=Path(tempfile.gettempdir()) if had_failures else None)
    return failure if failure is not None or supervisor.started else INTERRUPTED
