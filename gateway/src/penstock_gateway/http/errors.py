"""Every failure before the first byte, in the one error shape with its real HTTP status.

What Litestar raises is translated here; what it says about its inside stays inside.
"""

import math
import re
from typing import Any, Final

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

from penstock_contract.errors import ERRORS, ErrorBody, ErrorDetail, PenstockError
from penstock_gateway.http.request_middleware import request_id_of
from penstock_gateway.telemetry.request_observer import Observer

BODY = "data"
"""What Litestar calls the whole body: the name of our handlers' parameter, which says nothing to a client."""
ECHO_MAX = 200
"""Characters of what a client sent."""
MISSING_FIELD = re.compile(r"Object missing required field `(.+)`")
"""msgspec names the object that lacks the field, clients want the field."""

RETRY_AFTER_MAX_S = 31 * 86_400.0
"""The longest wait that a client is sent: a month's budget that begins again."""

log = structlog.get_logger("penstock.gateway")


class Problems:
    """The app's exception handlers."""

    def __init__(self, observer: Observer, *, body_bytes_max: int) -> None:
        self._observer = observer
        self._body_bytes_max = body_bytes_max

    def penstock(self, request: Request[Any, Any, Any], error: PenstockError) -> Response[ErrorBody]:
        del request
        self._observer.request_refused(error.code)
        return respond(error.detail)

    def http(self, request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorBody]:
        detail = translate(error, f"{request.method} {shortened(request.url.path)}", self._body_bytes_max)
        self._observer.request_refused(detail.code)
        headers = {"allow": error.headers["allow"]} if error.headers and "allow" in error.headers else {}
        return respond(detail, headers)

    def unexpected(self, request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
        log.error("gateway.unexpected_error", request_id=request_id_of(request.scope), exc_info=error)
        self._observer.request_refused("internal_error")
        return respond(ErrorDetail("internal_error", "internal error"))


def shortened(path: str) -> str:
    """As much of a path as an answer repeats: what was sent is not sent back whole."""
    return path if len(path) <= ECHO_MAX else f"{path[:ECHO_MAX]}…"


def respond(detail: ErrorDetail, headers: dict[str, str] | None = None) -> Response[ErrorBody]:
    all_headers = {**headers_of(detail), **(headers or {})}
    status = ERRORS[detail.code].status
    return Response(ErrorBody.of(detail), status_code=status, headers=all_headers, media_type="application/json")


OTHER_CHATS: Final = ("POST /v1/responses", "POST /v1/completions", "POST /v1/messages")
"""Endpoints of other APIs for a model's text, which some clients call by default."""


def headers_of(detail: ErrorDetail) -> dict[str, str]:
    """`retry-after` in whole seconds (RFC 9110 §10.2.3), `-ms` beside it for the SDKs that read it. Never raises.

    A wait that is no number is left out, and none is longer than `RETRY_AFTER_MAX_S`, whatever a worker sent.
    """
    headers = {"x-should-retry": "true" if ERRORS[detail.code].retryable else "false"}
    wait_s = detail.retry_after_s
    if wait_s is not None and not math.isnan(wait_s):
        wait_s = min(max(0.0, wait_s), RETRY_AFTER_MAX_S)
        headers["retry-after"] = str(math.ceil(wait_s))
        headers["retry-after-ms"] = str(math.ceil(wait_s * 1000))
    return headers


def translate(error: HTTPException, asked: str, body_bytes_max: int) -> ErrorDetail:
    """What a Litestar exception means in our words."""
    if isinstance(error, ValidationException):
        return _validation(error)
    if isinstance(error, NotFoundException):
        other = "; use /v1/chat/completions" if asked.startswith(OTHER_CHATS) else ""
        return ErrorDetail("not_found", f"there is nothing at {asked}{other}")
    if isinstance(error, MethodNotAllowedException):
        return ErrorDetail("method_not_allowed", f"{asked} is not allowed")
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        return ErrorDetail("request_too_large", f"the request's body is larger than {body_bytes_max} bytes")
    if isinstance(error, ClientException):
        return ErrorDetail("invalid_request", "the request's body is not valid JSON")
    return ErrorDetail("internal_error", "internal error")


def _validation(error: ValidationException) -> ErrorDetail:
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    field, reason = (first.get("key"), str(first.get("message", "invalid"))) if isinstance(first, dict) else (None, "")
    if field == BODY:
        field = None
    if missing := MISSING_FIELD.fullmatch(reason):
        field = f"{field}.{missing[1]}" if field else missing[1]
        reason = "this field is required"
    elif field is None and reason in {"", repr(BODY)}:
        # No body and `null` are a KeyError to Litestar.
        reason = "the request's body must be a JSON object"
    return ErrorDetail("invalid_request", f"{field}: {reason}" if field else reason, param=field)
