"""Around every request, before Litestar sees it: a request id, a server span, and what Litestar cannot wrap itself.

Outermost, because Litestar answers unknown paths outside its own middleware, and those need ids too; and because an
exception handler, or the encoding of its response, may itself raise: that is answered here.
"""

import http
from typing import cast

import structlog
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from penstock_contract.errors import ErrorDetail
from penstock_gateway.http.request_id import new_request_id
from penstock_gateway.streaming.renderers.renderer import error_json
from penstock_runtime.telemetry import names, propagation

SCOPE_KEY = "penstock.request_id"
HEADERS_KEY = "penstock.headers"
TRACE_HEADERS = frozenset(field.encode() for field in propagation.FIELDS)

Headers = list[tuple[bytes, bytes]]

log = structlog.get_logger("penstock.gateway")


def request_id_of(scope: Scope) -> str:
    return str(scope.get(SCOPE_KEY, ""))


def headers_of(scope: Scope) -> Headers:
    """What goes with the response's start beside its own headers; add to it before."""
    headers: object = scope.get(HEADERS_KEY)
    return headers if isinstance(headers, list) else []


class Envelope:
    """`x-request-id` is what OpenAI's SDKs read, `request-id` what Anthropic's do."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) == "http":
            await self._http(cast("HTTPScope", scope), receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        request_id = new_request_id()
        scope[SCOPE_KEY] = request_id  # type: ignore[literal-required]
        ours: Headers = [(b"x-request-id", request_id.encode()), (b"request-id", request_id.encode())]
        scope[HEADERS_KEY] = ours  # type: ignore[literal-required]
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in TRACE_HEADERS}
        with self._tracer.start_as_current_span(
            scope["method"],
            context=propagation.trace_context(headers),
            kind=SpanKind.SERVER,
            attributes={names.HTTP_METHOD: scope["method"], names.REQUEST_ID: request_id},
            record_exception=False,
        ) as span:
            started = False

            async def send_with_ids(message: Message) -> None:
                nonlocal started
                if message["type"] == "http.response.start":
                    started = True
                    message["headers"] = [*message["headers"], *ours]
                    status = message["status"]
                    span.set_attribute(names.HTTP_STATUS, status)
                    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, send_with_ids)
            except Exception:
                if started:
                    raise
                log.exception("gateway.unexpected_error", request_id=request_id)
                await _internal_error(send_with_ids)
            template = scope.get("path_template") or "unmatched"
            span.update_name(f"{scope['method']} {template}")
            span.set_attribute(names.HTTP_ROUTE, str(template))


async def _internal_error(send: Send) -> None:
    """The one error shape, made of constants: nothing in it can fail."""
    body = error_json(ErrorDetail("internal_error", "internal error"))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-should-retry", b"false"),
    ]
    await send({"type": "http.response.start", "status": http.HTTPStatus.INTERNAL_SERVER_ERROR, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
