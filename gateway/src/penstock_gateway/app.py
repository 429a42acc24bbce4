"""Composition root of the gateway's application."""

import asyncio
import contextlib
import gc
import secrets
from collections.abc import AsyncIterator, Callable

from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ASGIApp
from msgspec import Struct

from penstock_contract import codec, subjects
from penstock_contract.broker.catalogue import CatalogueWatch
from penstock_contract.broker.connection import Connection
from penstock_contract.catalogue import Catalogue
from penstock_contract.clock import Clock
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.frames import Stop
from penstock_contract.telemetry.setup import Telemetry
from penstock_gateway.desk import Desk
from penstock_gateway.dispatch import Dispatcher
from penstock_gateway.doors import openai, seed, status
from penstock_gateway.envelope import Envelope
from penstock_gateway.observation import Observer
from penstock_gateway.problems import Problems
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.supervision import Supervisor
from penstock_gateway.table import StreamTable


class Gateway(Struct, frozen=True):
    """`app` connects when a server starts it; `end_streams` ends what is open, for a server that has to stop."""

    app: ASGIApp
    end_streams: Callable[[], None]


def create_gateway(settings: GatewaySettings, telemetry: Telemetry, clock: Clock) -> Gateway:
    """Everything that a gateway process is made of."""
    gateway = f"gw-{secrets.token_hex(6)}"
    connection = Connection(settings.nats_url, gateway, inbox_prefix="_INBOX_gateway")
    catalogue = Catalogue(
        {
            type_: name
            for type_, name in (("Chat", settings.default_chat_model), ("Embedding", settings.default_embedding_model))
            if name is not None
        }
    )
    observer = Observer(telemetry.meter)
    problems = Problems(observer, body_bytes_max=settings.body_bytes_max)
    desks: list[Desk] = []  # filled when the event loop runs

    @contextlib.asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        def stop(route: str, worker: str, stream: int) -> None:
            namespace, _, name = route.partition(".")
            subject = subjects.control(namespace, name, worker)
            dispatcher.spawn(connection.publish(subject, codec.encode(Stop(stream))))

        table = StreamTable(stop)
        dispatcher = Dispatcher(settings, connection, table, telemetry.tracer, observer, clock, gateway=gateway)
        desks.append(Desk(catalogue, connection, dispatcher))
        supervisor = Supervisor(settings, connection, table, gateway=gateway)
        watch = CatalogueWatch(connection, replace=catalogue.replace, put=catalogue.put)
        connection.on_connected(supervisor.on_connected)

        connection.listen(subjects.reply_filter(gateway), table.on_batch)
        connection.listen(subjects.ALL_WORKER_HEARTBEATS, supervisor.on_heartbeat)
        # Not waited for: /health and /ready answer while the broker is still away.
        await connection.start(wait=False)
        supervising = asyncio.create_task(supervisor.run())
        # What lives now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        yield
        # The server has stopped listening and every response is complete: say the last words, then go.
        await dispatcher.drain()
        supervising.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await supervising
        await watch.close()
        await connection.close()

    app = Litestar(
        [
            seed.chat,
            seed.generate,
            seed.embed,
            openai.chat_completions,
            openai.embeddings,
            openai.models,
            openai.model,
            status.health,
            status.ready,
            status.metrics,
        ],
        lifespan=[lifespan],
        dependencies={"desk": Provide(lambda: desks[0], sync_to_thread=False)},
        exception_handlers={
            PenstockError: problems.penstock,
            HTTPException: problems.http,
            Exception: problems.unexpected,
        },
        openapi_config=OpenAPIConfig(
            title="Penstock", version="0.1.0", path="/schema", render_plugins=[JsonRenderPlugin()]
        ),
        request_max_body_size=settings.body_bytes_max,
        logging_config=None,
    )

    def end_streams() -> None:
        for desk in desks:
            desk.dispatcher.end_streams(ErrorDetail("gateway_stopping", "the gateway had to stop", retry_after_s=1))

    return Gateway(Envelope(app, telemetry.tracer), end_streams)
