"""Composition root of a worker process: `python -m penstock_worker`."""

import asyncio
import gc
import os
import random
import secrets
import signal
import sys

import uvloop

from penstock_contract import settings, subjects
from penstock_contract.broker.connection import Connection
from penstock_contract.clock import SystemClock
from penstock_contract.telemetry import logs
from penstock_contract.telemetry.setup import configure
from penstock_worker.observation import Observer
from penstock_worker.settings import WorkerSettings
from penstock_worker.worker import Worker


async def serve(config: WorkerSettings) -> None:
    telemetry = configure("penstock-worker", os.environ)
    clock = SystemClock()
    route = f"{config.namespace}.{config.route}"
    name = f"{config.route}-{secrets.token_hex(4)}"
    connection = Connection(config.nats_url, name, inbox_prefix="_INBOX_worker")
    observer = Observer(telemetry, clock, route, subjects.queue(config.namespace, config.route))
    worker = Worker(
        config, connection, observer, name=name, environ=os.environ, clock=clock, draw=random.SystemRandom().random
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.drain)
    # What lives now lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    await worker.run()
    telemetry.close()


def main() -> None:
    try:
        config = settings.load(WorkerSettings, os.environ)
    except settings.InvalidSettings as error:
        sys.exit(f"penstock worker: {error}")
    logs.configure("penstock-worker", level=config.log_level)
    uvloop.run(serve(config))


if __name__ == "__main__":
    main()
