"""Builds the admin API's application."""

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler
from opentelemetry.trace import Tracer

from penstock_gateway.admin import api_keys, fleet, usage
from penstock_gateway.admin.authentication import OPEN_PATHS, AdminAuthentication
from penstock_gateway.admin.dependencies import AdminDependencies
from penstock_gateway.api import status
from penstock_gateway.api.json_request import ClientRequest
from penstock_gateway.http import assets
from penstock_gateway.http.cors import Cors, CorsRules
from penstock_gateway.http.exception_handlers import ExceptionHandlers
from penstock_gateway.http.head_requests import HeadRequests
from penstock_gateway.http.request_middleware import RequestMiddleware
from penstock_gateway.telemetry.exposition import Exposition
from penstock_gateway.telemetry.request_observer import RequestObserver

BODY_BYTES_MAX = 64 * 1024
"""The largest key: 64 routes and 64 models of 256 characters, and its metadata."""

THEME = frozenset({"elements.js", "icon.svg", "theme.css", "theme.js", "theme_button.js"})
"""The files of the playground that the page uses, too."""

HANDLERS: list[ControllerRouterHandler] = [
    api_keys.create,
    api_keys.list_keys,
    api_keys.show,
    api_keys.revoke,
    api_keys.rotate,
    fleet.fleet,
    usage.sums,
    usage.rows,
    usage.as_csv,
    status.health,
    status.metrics,
]


def create_admin(
    admin: AdminDependencies,
    token: str,
    observer: RequestObserver,
    tracer: Tracer,
    exposition: Exposition,
    *,
    local: bool,
) -> ASGIApp:
    """With `local` the listener is on loopback: a request with a foreign Host comes from a browser page."""
    page = assets.load("penstock_gateway.admin.page", "/page", index="/")
    theme = assets.load("penstock_gateway.playground", "/theme", names=THEME)
    app = Litestar(
        [*HANDLERS, page.handler(), theme.handler()],
        dependencies={
            "admin": Provide(lambda: admin, sync_to_thread=False),
            "exposition": Provide(lambda: exposition, sync_to_thread=False),
        },
        exception_handlers=ExceptionHandlers(observer, body_bytes_max=BODY_BYTES_MAX).by_type(),
        openapi_config=None,
        request_max_body_size=BODY_BYTES_MAX,
        request_class=ClientRequest,
        logging_config=None,
    )
    authenticated = AdminAuthentication(HeadRequests(app), token, observer, OPEN_PATHS | page.paths | theme.paths)
    return RequestMiddleware(Cors(authenticated, CorsRules(frozenset(), closed=local), observer), tracer)
