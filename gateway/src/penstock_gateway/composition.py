"""Composition root of the gateway's application: builds every object in order. The lifespan starts and stops them."""

import asyncio
import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Callable

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp
from msgspec import Struct

from penstock_broker.connection import Connection
from penstock_broker.keepalive import Keepalive
from penstock_broker.queue_state import position_in_queue
from penstock_broker.stores.api_keys import KeyStore, KeyWatch
from penstock_broker.stores.catalogue import CatalogueWatch
from penstock_broker.stores.chats import ChatStore
from penstock_broker.stores.streams import StreamStore
from penstock_broker.stores.usage import read_rows
from penstock_contract import subjects
from penstock_contract.catalogue import Catalogue
from penstock_contract.errors import ErrorDetail
from penstock_gateway.access.authentication import OPEN_PATHS, Authentication
from penstock_gateway.access.first_key import FirstKey
from penstock_gateway.access.key_cache import KeyCache
from penstock_gateway.admin.app import create_admin
from penstock_gateway.admin.dependencies import AdminDependencies
from penstock_gateway.admin.listener import AdminListener
from penstock_gateway.api import anthropic, completions, openai, simple, status, streams, ui_chat
from penstock_gateway.api.dependencies import ApiDependencies
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.api.openai_responses import responses, stored_responses
from penstock_gateway.api.openapi import document
from penstock_gateway.fleet.observer import FleetObserver
from penstock_gateway.fleet.reporter import GatewayReporter, prometheus_families
from penstock_gateway.fleet.spending import SpendingReader
from penstock_gateway.http import assets
from penstock_gateway.http.cors import Cors, CorsRules
from penstock_gateway.http.exception_handlers import ExceptionHandlers
from penstock_gateway.http.head_requests import HeadRequests
from penstock_gateway.http.request_middleware import RequestMiddleware
from penstock_gateway.responses.created_responses import CreatedResponses
from penstock_gateway.responses.stored_responses import StoredResponses
from penstock_gateway.resume.chat_streams import ChatStreams
from penstock_gateway.resume.progress import ProgressReports
from penstock_gateway.resume.remote_reader import RemoteReaders
from penstock_gateway.resume.resumable_streams import ResumableStreams
from penstock_gateway.resume.stream_finder import StreamFinder
from penstock_gateway.resume.stream_table import StreamTable
from penstock_gateway.server.body_memory import BodyMemory
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.activation import Activations
from penstock_gateway.streaming.control_messages import ControlMessages
from penstock_gateway.streaming.dispatcher import Dispatcher
from penstock_gateway.streaming.registry import StreamRegistry
from penstock_gateway.streaming.stream_supervisor import StreamSupervisor
from penstock_gateway.telemetry.exposition import Exposition, prometheus
from penstock_gateway.telemetry.gateway_state import observe_gateway
from penstock_gateway.telemetry.request_observer import RequestObserver
from penstock_gateway.usage.accounting import Accounting
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.clock import Clock
from penstock_runtime.listen_address import is_loopback
from penstock_runtime.memory import garbage_collector
from penstock_runtime.telemetry.setup import Telemetry

HANDLERS = (
    simple.chat,
    ui_chat.read_chat_stream,
    ui_chat.stop_chat_stream,
    simple.generate,
    simple.embed,
    openai.chat_completions,
    anthropic.messages,
    anthropic.count_tokens,
    responses.create_response,
    responses.response_input_tokens,
    responses.compact_response,
    stored_responses.read_response_again,
    stored_responses.cancel_response,
    stored_responses.delete_response,
    stored_responses.response_input_items,
    completions.completions,
    openai.embeddings,
    openai.models,
    openai.model,
    streams.read_stream,
    streams.stop_stream,
    streams.stream_usage,
    status.health,
    status.ready,
    status.metrics,
)
STOPPING = ErrorDetail("gateway_stopping", "the gateway is stopping; send the request again", retry_after_s=1)


class Gateway(Struct, frozen=True):
    """`app` connects when a server starts it; `end_streams` ends the open streams of a server that has to stop."""

    app: ASGIApp
    end_streams: Callable[[], None]


def create_gateway(settings: GatewaySettings, telemetry: Telemetry, clock: Clock) -> Gateway:
    """Build the gateway. Raises `OSError` where the admin API cannot listen."""
    gateway = f"gw-{secrets.token_hex(6)}"
    connection = Connection(
        settings.nats_url, gateway, inbox_prefix=subjects.GATEWAY_INBOX, credentials=settings.nats_credentials
    )
    catalogue = Catalogue(settings.default_models)
    observer = RequestObserver(telemetry.meter, lambda: [entry.key for entry in catalogue.entries])
    exposition = Exposition(prometheus)
    keys = KeyCache() if settings.keys_required else None
    key_store = KeyStore(connection, clock)

    keepalive = Keepalive(connection)
    pause_detector = keepalive.pause_detector
    control = ControlMessages(connection, gateway=gateway)
    registry = StreamRegistry(control.stop)
    activations = Activations(control.activate, pause_detector)
    supervisor = StreamSupervisor(
        settings, connection, registry, activations, catalogue.cause, pause_detector, gateway=gateway
    )
    # The first hook: open streams wait for it, and the hooks after it wait for answers of the broker.
    connection.on_connected(supervisor.on_connected)
    accounting = Accounting(
        connection, observer, telemetry, clock, settings, pause_detector, supervisor.is_alive, gateway=gateway
    )
    dispatcher = Dispatcher(
        settings,
        connection,
        registry,
        control,
        activations,
        accounting,
        observer,
        telemetry.tracer,
        clock,
        gateway=gateway,
    )
    tag = secrets.token_hex(4)
    resumable = _resumable(connection, dispatcher, registry, control, catalogue, activations, gateway=gateway, tag=tag)
    catalogue_watch = CatalogueWatch(
        connection,
        replace=catalogue.replace,
        put=catalogue.put,
        deleted=catalogue.lost,
        completed=catalogue.completed,
    )
    key_watch = KeyWatch(connection, replace=keys.replace, put=keys.put) if keys is not None else None
    first_key = FirstKey(settings.first_key, connection, key_store) if settings.first_key is not None else None
    reporter = GatewayReporter(connection, registry, prometheus_families, gateway=gateway, version=status.VERSION)
    fleet = FleetObserver(
        connection,
        reporter.report,
        SpendingReader(lambda since: read_rows(connection, since=since), key_store.all, clock),
        catalogue,
        clock,
        gateway=gateway,
        gateways=accounting.gateways,
        heartbeats=supervisor.heartbeats,
    )
    admin = _admin(settings, AdminDependencies(key_store, clock, connection, fleet), observer, telemetry, exposition)
    connection.listen(subjects.reply_filter(gateway), registry.on_batch)
    connection.listen(subjects.ALL_WORKER_HEARTBEATS, supervisor.on_heartbeat)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        # Without waiting for the connection: /health and /ready answer while the broker is unavailable.
        await connection.start(wait=False)
        pinging = asyncio.create_task(keepalive.run())
        supervisor.start()
        accounting.start()
        if admin is not None:
            admin.start()
        garbage_collector.freeze_startup_objects()
        yield
        # The server has stopped listening and every response is complete: publish the last messages, then disconnect.
        await control.drain()
        await accounting.close()
        await supervisor.close()
        await cancel_and_wait(pinging)
        for part in (admin, fleet, first_key, key_watch, catalogue_watch):
            if part is not None:
                await part.close()
        await connection.close()

    api = ApiDependencies(
        catalogue,
        connection,
        dispatcher,
        clock,
        resumable,
        CreatedResponses(resumable, dispatcher, StreamStore(connection), clock),
        StoredResponses(resumable, StreamStore(connection)),
        ChatStreams(resumable, ChatStore(connection)),
        keys,
    )
    playground = assets.load("penstock_gateway.playground", "/playground", index="/") if settings.playground else None
    app = Litestar(
        HANDLERS if playground is None else (*HANDLERS, playground.handler()),
        lifespan=[lifespan],
        dependencies={
            "api": Provide(lambda: api, sync_to_thread=False),
            "exposition": Provide(lambda: exposition, sync_to_thread=False),
        },
        exception_handlers=ExceptionHandlers(observer, body_bytes_max=settings.body_bytes_max).by_type(),
        openapi_config=document.configuration(status.VERSION, keys_required=settings.keys_required),
        request_max_body_size=settings.body_bytes_max,
        request_class=ClientRequest,
        logging_config=None,
    )
    bodies = BodyMemory(settings.bodies_bound)
    observe_gateway(
        telemetry.meter,
        connected=lambda: connection.connected,
        bodies_held=lambda: bodies.held,
        bodies_max=bodies.bytes_max,
    )
    authenticated = Authentication(
        HeadRequests(app),
        keys,
        clock,
        observer,
        bodies,
        settings.headers_of_keys,
        OPEN_PATHS if playground is None else OPEN_PATHS | playground.paths,
    )
    # From the outermost to the innermost: request id, CORS, authentication, HEAD, Litestar.
    cors = Cors(authenticated, CorsRules(settings.origins, closed=settings.for_this_machine_only), observer)
    return Gateway(RequestMiddleware(cors, telemetry.tracer, tag), lambda: resumable.end_streams(STOPPING))


def _resumable(
    connection: Connection,
    dispatcher: Dispatcher,
    registry: StreamRegistry,
    control: ControlMessages,
    catalogue: Catalogue,
    activations: Activations,
    *,
    gateway: str,
    tag: str,
) -> ResumableStreams:
    table = StreamTable(gateway=gateway)
    finder = StreamFinder(connection, table, control, tag=tag)
    progress = ProgressReports(
        functools.partial(position_in_queue, connection),
        catalogue.cause,
        lambda route: activations.has_worker(route, asyncio.get_running_loop().time()),
    )
    remote = RemoteReaders(finder, control, connection)
    return ResumableStreams(dispatcher, registry, table, finder, remote, control, connection, progress)


def _admin(
    settings: GatewaySettings,
    admin: AdminDependencies,
    observer: RequestObserver,
    telemetry: Telemetry,
    exposition: Exposition,
) -> AdminListener | None:
    if settings.admin_port is None or settings.admin_token is None:
        return None
    app = create_admin(
        admin, settings.admin_token, observer, telemetry.tracer, exposition, local=is_loopback(settings.admin_host)
    )
    return AdminListener(app, settings.admin_host, settings.admin_port, settings.connection_limits)
