"""Serves HEAD wherever GET is served: Litestar answers as for GET, uvicorn leaves the body out (RFC 9110 §9.3.2).

A stream is left out: a reader of it would be opened, whose bytes do not pass through uvicorn.
"""

from typing import Any, Final, cast

from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from penstock_contract.endpoints import CHAT, STREAMS_PATH

STREAMED: Final = (f"{STREAMS_PATH}/", f"{CHAT.path}/")
"""Paths below which GET answers with a stream; a stored response does so with `stream` in its query."""


class HeadRequests:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http" or not _is_served(cast("HTTPScope", scope)):
            await self._app(scope, receive, send)
            return
        # A copy, because the server reads the method in its own scope.
        as_get = cast("Any", {**scope, "method": "GET"})
        await self._app(as_get, receive, send)
        scope["path_template"] = as_get.get("path_template", "")


def _is_served(scope: HTTPScope) -> bool:
    if scope["method"] != "HEAD" or scope["path"].startswith(STREAMED):
        return False
    return b"stream=" not in scope["query_string"]
