"""Composition root of the admin API's application."""

from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, ControllerRouterHandler
from opentelemetry.trace import Tracer

from penstock_contract.errors import PenstockError
from penstock_gateway.admin import keys, usage
from penstock_gateway.admin.authentication import AdminAuthentication
from penstock_gateway.admin.dependencies import AdminDesk
from penstock_gateway.api import status
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.http.cors import Cors, CorsRules
from penstock_gateway.http.error_response import Refusal
from penstock_gateway.http.errors import Problems
from penstock_gateway.http.request_middleware import Envelope
from penstock_gateway.server.request_head import Head
from penstock_gateway.telemetry.exposition import Exposition
from penstock_gateway.telemetry.request_observer import Observer

BODY_BYTES_MAX = 64 * 1024
"""The largest key: 64 routes and 64 models of 256 characters, and its metadata."""

HANDLERS: list[ControllerRouterHandler] = [
    keys.create,
    keys.list_keys,
    keys.show,
    keys.revoke,
    keys.rotate,
    usage.sums,
    usage.rows,
    status.health,
    status.metrics,
]


def create_admin(
    desk: AdminDesk, token: str, observer: Observer, tracer: Tracer, exposition: Exposition, *, local: bool
) -> ASGIApp:
    """`local`: only this machine can reach it, so requests by another name than its own come from a page."""
    problems = Problems(observer, body_bytes_max=BODY_BYTES_MAX)
    app = Litestar(
        HANDLERS,
        dependencies={
            "admin": Provide(lambda: desk, sync_to_thread=False),
            "exposition": Provide(lambda: exposition, sync_to_thread=False),
        },
        exception_handlers={
            PenstockError: problems.penstock,
            HTTPException: problems.http,
            Exception: problems.unexpected,
        },
        openapi_config=None,
        request_max_body_size=BODY_BYTES_MAX,
        request_class=ClientRequest,
        logging_config=None,
    )
    refusal = Refusal(observer)
    authenticated = AdminAuthentication(Head(app), token, refusal)
    return Envelope(Cors(authenticated, CorsRules(frozenset(), closed=local), refusal), tracer)
