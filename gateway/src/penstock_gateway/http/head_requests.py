"""Serves HEAD wherever GET is served: Litestar answers as for GET, uvicorn leaves the body out (RFC 9110 §9.3.2)."""

from typing import Any, cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send


class HeadRequests:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http" or cast("HTTPScope", scope)["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy, because the server reads the method in its own scope.
        as_get = cast("Any", {**scope, "method": "GET"})
        await self._app(as_get, receive, send)
        scope["path_template"] = as_get.get("path_template", "")
