"""The admin API's token, required for everything but probes, metrics and the files of the page.

Metrics show no more than a worker's own do; the page has no figure before it sends the token.
"""

import hmac
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from penstock_contract.endpoints import HEALTH
from penstock_contract.errors import ErrorDetail
from penstock_gateway.access.authentication import INVALID, sent_keys
from penstock_gateway.access.principal import ANONYMOUS
from penstock_gateway.access.request_context import set_context
from penstock_gateway.http.error_response import ErrorResponse
from penstock_gateway.server.body_memory import BodyCharge, BodyMemory
from penstock_gateway.server.client_connection import connection_of
from penstock_gateway.telemetry.request_observer import RequestObserver

BODIES_BYTES_MAX = 32 * 1024 * 1024
"""Of all open requests; those of keys have a few hundred bytes."""
OPEN_PATHS = frozenset({HEALTH.path, "/metrics"})
NO_TOKEN = ErrorResponse(
    ErrorDetail("invalid_api_key", "the admin token is missing or not valid"), {"www-authenticate": INVALID}
)


class AdminAuthentication:
    def __init__(
        self, app: ASGIApp, token: str, observer: RequestObserver, open_paths: frozenset[str] = OPEN_PATHS
    ) -> None:
        self._app = app
        self._token = token.encode()
        self._observer = observer
        self._bodies = BodyMemory(BODIES_BYTES_MAX)
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) == "http":
            request = cast("HTTPScope", scope)
            if self._admits(request):
                connection = connection_of(scope)
                if connection is not None:
                    connection.authenticated()
            elif request["path"] not in self._open_paths:
                self._observer.request_rejected(NO_TOKEN.detail.code)
                await NO_TOKEN.asgi(send)
                return
            body = BodyCharge(self._bodies)
            set_context(scope, receive, ANONYMOUS, body)
            try:
                await self._app(scope, receive, send)
            finally:
                body.release()
        else:
            await self._app(scope, receive, send)

    def _admits(self, request: HTTPScope) -> bool:
        sent = sent_keys(request["headers"])
        # Compared in constant time: unlike a key, the token is not looked up by a hash.
        return len(sent) == 1 and hmac.compare_digest(sent.pop().encode("latin-1"), self._token)
