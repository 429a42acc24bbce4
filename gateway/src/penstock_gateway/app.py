"""Composition root of the gateway's application."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable

from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp
from msgspec import Struct

from penstock_broker.connection import Connection
from penstock_broker.keepalive import Keepalive
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_broker.stores.keys import KeyStore, KeyWatch
from penstock_contract import codec, subjects
from penstock_contract.catalogue import Catalogue
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.frames import Stop
from penstock_gateway.access.authentication import Authentication
from penstock_gateway.access.first_key import FirstKey
from penstock_gateway.access.key_cache import KeyRing
from penstock_gateway.admin.app import create_admin
from penstock_gateway.admin.dependencies import AdminDesk
from penstock_gateway.admin.listener import AdminListener
from penstock_gateway.api import openai, openapi, simple, status
from penstock_gateway.api.dependencies import Desk
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.http.cors import Cors, CorsRules
from penstock_gateway.http.error_response import Refusal
from penstock_gateway.http.errors import Problems
from penstock_gateway.http.request_middleware import Envelope
from penstock_gateway.server.request_head import Head
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.activation import Activations
from penstock_gateway.streaming.dispatcher import Dispatcher
from penstock_gateway.streaming.registry import StreamTable
from penstock_gateway.streaming.supervisor import Supervisor
from penstock_gateway.telemetry.exposition import Exposition, prometheus
from penstock_gateway.telemetry.request_observer import Observer
from penstock_gateway.usage.accounting import Metering
from penstock_runtime import garbage_collector
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.clock import Clock
from penstock_runtime.listen_policy import is_loopback
from penstock_runtime.telemetry.setup import Telemetry


class Gateway(Struct, frozen=True):
    """`app` connects when a server starts it; `end_streams` ends what is open, for a server that has to stop."""

    app: ASGIApp
    end_streams: Callable[[], None]


def create_gateway(settings: GatewaySettings, telemetry: Telemetry, clock: Clock) -> Gateway:
    """Everything that a gateway process is made of."""
    gateway = f"gw-{secrets.token_hex(6)}"
    connection = Connection(
        settings.nats_url, gateway, inbox_prefix=subjects.GATEWAY_INBOX, credentials=settings.nats_credentials
    )
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
    ring = KeyRing() if settings.keys_required else None
    key_store = KeyStore(connection, clock)
    exposition = Exposition(prometheus)
    admin = _admin(settings, AdminDesk(key_store, clock, connection), observer, telemetry, exposition)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        def stop(route: str, worker: str, stream: int, serves: int) -> None:
            namespace, _, name = route.partition(".")
            subject = subjects.control(namespace, name, worker)
            dispatcher.spawn(connection.publish(subject, codec.encode(Stop(stream, serves=serves))))

        table = StreamTable(stop)
        keepalive = Keepalive(connection)
        pause_detector = keepalive.pause_detector
        # The dispatcher is made below.
        activations = Activations(lambda route: dispatcher.call_for_workers(route), pause_detector)  # noqa: PLW0108
        supervisor = Supervisor(
            settings, connection, table, activations, catalogue.cause, pause_detector, gateway=gateway
        )
        # First: open streams wait for it, and what the others say after a reconnect waits for answers.
        connection.on_connected(supervisor.on_connected)
        metering = Metering(connection, observer, telemetry, clock, settings, pause_detector, gateway=gateway)
        dispatcher = Dispatcher(
            settings,
            connection,
            table,
            telemetry.tracer,
            observer,
            clock,
            metering,
            gateway=gateway,
            queued=activations.queued,
        )
        desks.append(Desk(catalogue, connection, dispatcher, ring))
        watch = CatalogueWatch(
            connection,
            replace=catalogue.replace,
            put=catalogue.put,
            deleted=catalogue.lost,
            completed=catalogue.completed,
        )
        key_watch = KeyWatch(connection, replace=ring.replace, put=ring.put) if ring is not None else None
        first_key = FirstKey(settings.first_key, connection, key_store) if settings.first_key is not None else None

        connection.listen(subjects.reply_filter(gateway), table.on_batch)
        connection.listen(subjects.ALL_WORKER_HEARTBEATS, supervisor.on_heartbeat)
        # Not waited for: /health and /ready answer while the broker is still away.
        await connection.start(wait=False)
        supervising = [asyncio.create_task(keepalive.run()), asyncio.create_task(supervisor.run())]
        metering.start()
        if admin is not None:
            admin.start()
        garbage_collector.freeze_startup_objects()
        yield
        # The server has stopped listening and every response is complete: say the last words, then go.
        await dispatcher.drain()
        await metering.close()
        await cancel_and_wait(*supervising)
        for ending in (admin, first_key, key_watch, watch):
            if ending is not None:
                await ending.close()
        await connection.close()

    app = Litestar(
        [
            simple.chat,
            simple.generate,
            simple.embed,
            openai.chat_completions,
            openai.embeddings,
            openai.models,
            openai.model,
            status.health,
            status.ready,
            status.metrics,
        ],
        lifespan=[lifespan],
        dependencies={
            "desk": Provide(lambda: desks[0], sync_to_thread=False),
            "exposition": Provide(lambda: exposition, sync_to_thread=False),
        },
        exception_handlers={
            PenstockError: problems.penstock,
            HTTPException: problems.http,
            Exception: problems.unexpected,
        },
        openapi_config=openapi.configuration("0.1.0", keys_required=settings.keys_required),
        request_max_body_size=settings.body_bytes_max,
        request_class=ClientRequest,
        logging_config=None,
    )

    def end_streams() -> None:
        for desk in desks:
            desk.dispatcher.end_streams(ErrorDetail("gateway_stopping", "the gateway had to stop", retry_after_s=1))

    refusal = Refusal(observer)
    keyed = Head(app) if ring is None else Authentication(Head(app), ring, clock, refusal, settings.headers_of_keys)
    return Gateway(
        Envelope(
            Cors(keyed, CorsRules(settings.origins, closed=settings.for_this_machine_only), refusal), telemetry.tracer
        ),
        end_streams,
    )


def _admin(
    settings: GatewaySettings, desk: AdminDesk, observer: Observer, telemetry: Telemetry, exposition: Exposition
) -> AdminListener | None:
    """Raises `OSError` where it cannot listen."""
    if settings.admin_port is None or settings.admin_token is None:
        return None
    app = create_admin(
        desk, settings.admin_token, observer, telemetry.tracer, exposition, local=is_loopback(settings.admin_host)
    )
    return AdminListener(app, settings.admin_host, settings.admin_port, settings.bounds)
