"""The admin API's one token, for everything but metrics: those tell no more than a worker's own do."""

import hmac
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from penstock_contract.errors import PenstockError
from penstock_gateway.access.authentication import INVALID, presented
from penstock_gateway.http.error_response import Refusal
from penstock_gateway.server.client_connection import connection_of

OPEN_PATHS = frozenset({"/health", "/metrics"})


class AdminAuthentication:
    def __init__(self, app: ASGIApp, token: str, refusal: Refusal) -> None:
        self._app = app
        self._token = token.encode()
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) == "http":
            request = cast("HTTPScope", scope)
            if self._admits(request):
                connection = connection_of(scope)
                if connection is not None:
                    connection.authenticated()
            elif request["path"] not in OPEN_PATHS:
                error = PenstockError("invalid_api_key", "the admin token is missing or not valid")
                await self._refusal.send(error, {"www-authenticate": INVALID}, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _admits(self, request: HTTPScope) -> bool:
        shown = presented(request["headers"])
        # Compared in constant time: unlike a key, the token is not looked up by a hash.
        return len(shown) == 1 and hmac.compare_digest(shown.pop().encode("latin-1"), self._token)
