"""Litestar's exception handlers: every failure before the first byte becomes an error response.

A Litestar exception is translated; its own text, which names internals, is not sent.
"""

import re
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE
from litestar.types import ExceptionHandlersMap

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_gateway.http.error_response import INTERNAL_ERROR, ErrorResponse
from penstock_gateway.http.request_id import request_id_of
from penstock_gateway.telemetry.request_observer import RequestObserver

BODY = "data"
"""Litestar's name of the whole body: the parameter of our handlers, which means nothing to a client."""
ECHO_MAX = 200
"""Characters of a client's text that an answer repeats."""
MISSING_FIELD = re.compile(r"Object missing required field `(.+)`")
"""msgspec names the object that lacks the field; `param` is the field."""

log = structlog.get_logger("penstock.gateway")


class ExceptionHandlers:
    def __init__(self, observer: RequestObserver, *, body_bytes_max: int) -> None:
        self._observer = observer
        self._body_bytes_max = body_bytes_max

    def by_type(self) -> ExceptionHandlersMap:
        return {PenstockError: self.penstock, HTTPException: self.http, Exception: self.unexpected}

    def penstock(self, request: Request[Any, Any, Any], error: PenstockError) -> Response[Any]:
        return self._respond(ErrorResponse(error.detail), request, error.route)

    def http(self, request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        detail = translate(error, f"{request.method} {shortened(request.url.path)}", self._body_bytes_max)
        headers = {"allow": error.headers["allow"]} if error.headers and "allow" in error.headers else {}
        return self._respond(ErrorResponse(detail, headers), request)

    def unexpected(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        log.error("gateway.unexpected_error", request_id=request_id_of(request.scope), exc_info=error)
        return self._respond(INTERNAL_ERROR, request)

    def _respond(self, response: ErrorResponse, request: Request[Any, Any, Any], route: str = "") -> Response[Any]:
        self._observer.request_rejected(response.detail.code, route)
        return response.litestar(request.scope)


def shortened(path: str) -> str:
    """The part of a path that an answer repeats."""
    return path if len(path) <= ECHO_MAX else f"{path[:ECHO_MAX]}…"


def translate(error: HTTPException, requested: str, body_bytes_max: int) -> ErrorDetail:
    """The error that a Litestar exception stands for; `requested` is the method and path."""
    if isinstance(error, ValidationException):
        return _validation(error)
    if isinstance(error, NotFoundException):
        return ErrorDetail("not_found", f"no endpoint at {requested}")
    if isinstance(error, MethodNotAllowedException):
        return ErrorDetail("method_not_allowed", f"{requested} is not allowed")
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        return ErrorDetail("request_too_large", f"the request's body is larger than {body_bytes_max} bytes")
    if isinstance(error, ClientException):
        return ErrorDetail("invalid_request", "the request's body is not valid JSON")
    return INTERNAL_ERROR.detail


def _validation(error: ValidationException) -> ErrorDetail:
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    field, reason = (first.get("key"), str(first.get("message", "invalid"))) if isinstance(first, dict) else (None, "")
    if field == BODY:
        field = None
    if missing := MISSING_FIELD.fullmatch(reason):
        field = f"{field}.{missing[1]}" if field else missing[1]
        reason = "this field is required"
    elif field is None and reason in {"", repr(BODY)}:
        # Litestar raises a KeyError for a missing body and for `null`.
        reason = "the request's body must be a JSON object"
    return ErrorDetail("invalid_request", f"{field}: {reason}" if field else reason, param=field)
