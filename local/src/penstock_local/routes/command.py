"""`penstock routes`: the control plane without Kubernetes and without `penstock dev`, as in compose.yaml.

It publishes the queues and the catalogue of route files to a NATS of yours, and again after each edit. The workers are
other processes (`penstock worker`), which have the providers' keys.
"""

import asyncio
import os
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence

from penstock_local.disk_space import StoreSizes
from penstock_local.routes import route_changes, route_files
from penstock_local.routes.local_control_plane import RouteController, send_logs
from penstock_local.routes.plan import entries_for_workers_elsewhere
from penstock_local.routes.route_files import InvalidRoutes, LoadedRoute
from penstock_local.routes.watcher import RouteFileWatcher
from penstock_local.terminal.printable import printable
from penstock_runtime.parsers import with_examples

NATS_URL = "nats://127.0.0.1:4222"


def parser() -> ArgumentParser:
    made = ArgumentParser(
        prog="penstock routes",
        description="Publish the routes of files to NATS, and again after each edit. Run one of it per NATS.",
    )
    made.add_argument(
        "-f",
        "--file",
        nargs="+",
        action="extend",
        required=True,
        metavar="ROUTES.yaml",
        help="ModelRoute files or directories of them",
    )
    made.epilog = (
        f"PENSTOCK_NATS_URL names the NATS (default: {NATS_URL}), PENSTOCK_NATS_CREDENTIALS a credentials file."
        " Each route needs a penstock worker with its name in PENSTOCK_ROUTE."
    )
    return with_examples(made, "PENSTOCK_NATS_URL=nats://token@nats:4222 penstock routes -f /routes")


class RoutePublisher:
    """`run` ends with its task."""

    def __init__(self, files: Sequence[str], environ: Mapping[str, str]) -> None:
        self._watcher = RouteFileWatcher(files)
        self._routes = route_files.load(route_files.read(files))
        self._started_at = int(time.time())
        self._controller = RouteController(
            environ.get("PENSTOCK_NATS_URL", NATS_URL),
            StoreSizes(),
            on_heartbeat=lambda _: None,
            on_applied=lambda _: _write("every route is published"),
            credentials=environ.get("PENSTOCK_NATS_CREDENTIALS"),
        )

    async def run(self) -> None:
        self._submit()
        await self._controller.start(wait=False)
        try:
            await self._watcher.run(self._on_routes, lambda text: _write(f"{text}; the routes as they were stay"))
        finally:
            await self._controller.close()

    def _on_routes(self, routes: list[LoadedRoute]) -> None:
        before, self._routes = self._routes, routes
        _write(route_changes.summary(before, routes))
        self._submit()

    def _submit(self) -> None:
        entries = entries_for_workers_elsewhere(self._routes, started_at=self._started_at)
        for entry in entries:
            if not entry.ready:
                _write(f"{entry.key}: {entry.reason}")
        self._controller.want(entries)


async def _serve(publisher: RoutePublisher) -> None:
    task = asyncio.create_task(publisher.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def main() -> None:
    options = parser().parse_args()
    send_logs(_write)
    try:
        asyncio.run(_serve(RoutePublisher(options.file, os.environ)))
    except InvalidRoutes as error:
        sys.exit(f"penstock routes: {error}")


def _write(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()
