"""HEAD wherever GET is: Litestar answers as for GET, the server below leaves the body out (RFC 9110 §9.3.2)."""

from typing import Any, cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send


class Head:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http" or cast("HTTPScope", scope)["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server looks at the method in its own.
        read = cast("Any", {**scope, "method": "GET"})
        await self._app(read, receive, send)
        scope["path_template"] = read.get("path_template", "")
