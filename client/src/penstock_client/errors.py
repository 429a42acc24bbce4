"""The one error type that a caller catches, and how a response becomes one.

Whatever went wrong is a `GatewayError`; its two subclasses are the cases that a program treats differently, because
there is no answer of a gateway to read. Pure: httpx's own exceptions are translated in `transport`.
"""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from penstock_client.retries import retry_after_s, should_retry
from penstock_contract.error_codes import ERRORS
from penstock_contract.errors import ErrorBody

_error_body = msgspec.json.Decoder(ErrorBody)


class GatewayError(Exception):
    """The gateway refused, failed, or could not be understood.

    `status` is the HTTP status, 200 when the error came inside a stream, None without an answer; `code` one of
    `penstock_contract.errors.ErrorCode` or `http_error`, `invalid_response`, `timeout`, `gateway_unreachable`,
    `stream_truncated`; `retryable` whether the same request may succeed later.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.param = param
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.retryable = retryable

    def __str__(self) -> str:
        status = f", HTTP {self.status}" if self.status is not None else ""
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.message} ({self.code}{status}{request})"


class GatewayUnreachable(GatewayError):  # noqa: N818
    """No answer: nothing listens there, or the connection broke before one came."""


class StreamTruncated(GatewayError):  # noqa: N818
    """The stream ended without `data: [DONE]`: what was received is not the whole answer.

    Most SDKs take a short body for success (wire.md §1.3); this client never does.
    """


def refused(status: int, headers: Mapping[str, str], body: bytes, now: float) -> GatewayError:
    """The error in a response that is not a success; `headers` are case-insensitive, `now` is Unix seconds."""
    request_id = headers.get("x-request-id")
    hint_s = retry_after_s(headers, now)
    retryable = should_retry(status, headers)
    try:
        error = _error_body.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = f"{_phrase(status)}, not in a Penstock gateway's words; a proxy's, or a wrong address?"
        return GatewayError(
            message,
            code="http_error",
            status=status,
            request_id=request_id,
            retry_after_s=hint_s,
            retryable=retryable,
        )
    return GatewayError(
        error.message,
        code=error.code,
        status=status,
        param=error.param,
        request_id=request_id,
        retry_after_s=hint_s,
        retryable=retryable,
    )


def failed_in_stream(data: str, request_id: str | None) -> GatewayError:
    """The error in an event's `data`; also the error about an event that cannot be read at all."""
    try:
        error = _error_body.decode(data).error
    except msgspec.DecodeError:
        return invalid("an event of the stream is neither a chunk nor an error", request_id)
    retryable = any(error.code == code and kind.retryable for code, kind in ERRORS.items())
    return GatewayError(
        error.message, code=error.code, status=200, param=error.param, request_id=request_id, retryable=retryable
    )


def invalid(message: str, request_id: str | None) -> GatewayError:
    return GatewayError(message, code="invalid_response", status=200, request_id=request_id)


def truncated(message: str, request_id: str | None) -> StreamTruncated:
    return StreamTruncated(message, code="stream_truncated", status=200, request_id=request_id, retryable=True)


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
