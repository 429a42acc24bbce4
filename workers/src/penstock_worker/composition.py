"""Composition root of a worker process: builds its parts, runs it until a signal, and closes them."""

import asyncio
import os
import random
import secrets
import signal

from penstock_broker.connection import Connection
from penstock_contract import subjects
from penstock_runtime.clock import SystemClock
from penstock_runtime.memory import garbage_collector
from penstock_runtime.probes import Probes, prometheus
from penstock_runtime.telemetry.setup import configure
from penstock_worker.awaited_sockets import AwaitedSockets
from penstock_worker.sessions.context import WorkerContext
from penstock_worker.settings import WorkerSettings
from penstock_worker.telemetry import WorkerTelemetry
from penstock_worker.worker import Worker


async def serve(config: WorkerSettings) -> None:
    telemetry = configure("penstock-worker", os.environ, prometheus=config.probe_port is not None)
    clock = SystemClock()
    route = f"{config.namespace}.{config.route}"
    name = config.worker_name or f"{config.route}-{secrets.token_hex(4)}"
    connection = Connection(
        config.nats_url,
        name,
        inbox_prefix=subjects.worker_inbox(config.namespace, config.route),
        credentials=config.nats_credentials,
    )
    context = WorkerContext(
        worker=name,
        incarnation=secrets.randbits(32),
        clock=clock,
        draw=random.SystemRandom().random,
        telemetry=WorkerTelemetry(telemetry, clock, route, subjects.queue(config.namespace, config.route)),
        sockets=AwaitedSockets(lambda: connection.descriptor, connection.write_held),
    )
    worker = Worker(config, connection, context, os.environ)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    probes = None
    if config.probe_port is not None:
        ready = worker.why_not_ready
        probes = Probes(config.probe_host, config.probe_port, live=lambda: None, ready=ready, metrics=prometheus)
        await probes.start()
    garbage_collector.freeze_startup_objects()
    await worker.run()
    if probes is not None:
        await probes.close()
    telemetry.close()
