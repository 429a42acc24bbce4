"""The outermost middleware: a request id, a server span, and an answer to exceptions that Litestar cannot handle.

Outermost, because Litestar answers unknown paths outside its own middleware, and those responses need ids too. An
exception handler, or the encoding of its response, may itself raise: that is answered here.
"""

import http
from typing import cast

import structlog
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from penstock_gateway.http.error_response import INTERNAL_ERROR
from penstock_gateway.http.request_id import SCOPE_KEY, new_request_id
from penstock_runtime.telemetry import names, propagation

HEADERS_KEY = "penstock.headers"
TRACE_HEADERS = frozenset(field.encode() for field in propagation.FIELDS)

Headers = list[tuple[bytes, bytes]]

log = structlog.get_logger("penstock.gateway")


def response_headers_of(scope: Scope) -> Headers:
    """The headers that are added to the response's start; append to them before it."""
    headers: object = scope.get(HEADERS_KEY)
    return headers if isinstance(headers, list) else []


class RequestMiddleware:
    """Sends the id twice: OpenAI's SDKs read `x-request-id`, Anthropic's `request-id`.

    `tag` is the process's, of 8 hexadecimal digits.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer, tag: str = "") -> None:
        self._app = app
        self._tag = tag
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) == "http":
            await self._http(cast("HTTPScope", scope), receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        request_id = new_request_id(self._tag)
        scope[SCOPE_KEY] = request_id  # type: ignore[literal-required]
        added: Headers = [(b"x-request-id", request_id.encode()), (b"request-id", request_id.encode())]
        scope[HEADERS_KEY] = added  # type: ignore[literal-required]
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in TRACE_HEADERS}
        with self._tracer.start_as_current_span(
            scope["method"],
            context=propagation.trace_context(headers),
            kind=SpanKind.SERVER,
            record_exception=False,
        ) as span:
            started = False

            async def send_with_headers(message: Message) -> None:
                nonlocal started
                if message["type"] == "http.response.start":
                    started = True
                    message["headers"] = [*message["headers"], *added]
                    status = message["status"]
                    span.set_attribute(names.HTTP_STATUS, status)
                    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, send_with_headers)
            except Exception:
                if started:
                    raise
                log.exception("gateway.unexpected_error", request_id=request_id)
                await INTERNAL_ERROR.asgi(send_with_headers, scope)
            finally:
                template = str(scope.get("path_template") or "unmatched")
                span.update_name(f"{scope['method']} {template}")
                span.set_attributes(
                    {names.HTTP_METHOD: scope["method"], names.REQUEST_ID: request_id, names.HTTP_ROUTE: template}
                )
