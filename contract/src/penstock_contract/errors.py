"""One table of everything that can go wrong: code, HTTP status, OpenAI error type, retryable.

Raised where it is known as `PenstockError`, carried between processes as `ErrorDetail`, translated once at the edge.
A message never holds a key, an address or a path of this machine. A provider's own message is in it only for a request
that the provider refused, cleaned by the worker (`penstock_worker.providers.failure.redaction`).
"""

from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

ErrorCode = Literal[
    "invalid_request",
    "invalid_api_key",
    "origin_not_allowed",
    "key_not_found",
    "conflict",
    "receive_timeout",
    "headers_too_large",
    "overloaded",
    "request_too_large",
    "unsupported_content_encoding",
    "unsupported_transfer_coding",
    "not_found",
    "method_not_allowed",
    "model_not_found",
    "model_not_ready",
    "rate_limit_exceeded",
    "budget_exhausted",
    "queue_full",
    "queue_timeout",
    "broker_unavailable",
    "gateway_stopping",
    "first_token_timeout",
    "idle_timeout",
    "request_timeout",
    "provider_auth_failed",
    "provider_model_not_found",
    "provider_quota_exhausted",
    "provider_rate_limited",
    "provider_rejected",
    "context_length_exceeded",
    "content_policy_violation",
    "provider_unavailable",
    "provider_stream_broken",
    "unsupported_by_provider",
    "answer_too_large",
    "worker_lost",
    "stream_lost",
    "cancelled",
    "slow_client",
    "internal_error",
]


class ErrorKind(NamedTuple):
    """What a code means at the edge. `type` is OpenAI's error type, `retryable` steers `x-should-retry`."""

    status: int
    type: str
    retryable: bool


ERRORS: dict[ErrorCode, ErrorKind] = {
    "invalid_request": ErrorKind(400, "invalid_request_error", False),
    # OpenAI's type and code for it: its SDKs turn the status into their AuthenticationError.
    "invalid_api_key": ErrorKind(401, "invalid_request_error", False),
    "origin_not_allowed": ErrorKind(403, "invalid_request_error", False),
    "key_not_found": ErrorKind(404, "invalid_request_error", False),
    "conflict": ErrorKind(409, "invalid_request_error", True),
    "receive_timeout": ErrorKind(408, "timeout_error", True),
    "headers_too_large": ErrorKind(431, "invalid_request_error", False),
    "overloaded": ErrorKind(503, "service_unavailable_error", True),
    "request_too_large": ErrorKind(413, "invalid_request_error", False),
    "unsupported_content_encoding": ErrorKind(415, "invalid_request_error", False),
    "unsupported_transfer_coding": ErrorKind(501, "invalid_request_error", False),
    "not_found": ErrorKind(404, "invalid_request_error", False),
    "method_not_allowed": ErrorKind(405, "invalid_request_error", False),
    "model_not_found": ErrorKind(404, "invalid_request_error", False),
    "model_not_ready": ErrorKind(503, "service_unavailable_error", True),
    "rate_limit_exceeded": ErrorKind(429, "rate_limit_error", True),
    # OpenAI's type for it. Waiting a little does not help, and its SDKs would wait.
    "budget_exhausted": ErrorKind(429, "insufficient_quota", False),
    "queue_full": ErrorKind(429, "rate_limit_error", True),
    "queue_timeout": ErrorKind(503, "service_unavailable_error", True),
    "broker_unavailable": ErrorKind(503, "service_unavailable_error", True),
    "gateway_stopping": ErrorKind(503, "service_unavailable_error", True),
    "first_token_timeout": ErrorKind(504, "timeout_error", True),
    "idle_timeout": ErrorKind(504, "timeout_error", True),
    "request_timeout": ErrorKind(504, "timeout_error", False),
    "provider_auth_failed": ErrorKind(502, "api_error", False),
    "provider_model_not_found": ErrorKind(502, "api_error", False),
    "provider_quota_exhausted": ErrorKind(502, "api_error", False),
    "provider_rate_limited": ErrorKind(429, "rate_limit_error", True),
    "provider_rejected": ErrorKind(400, "invalid_request_error", False),
    "context_length_exceeded": ErrorKind(400, "invalid_request_error", False),
    "content_policy_violation": ErrorKind(400, "invalid_request_error", False),
    "provider_unavailable": ErrorKind(502, "api_error", True),
    "provider_stream_broken": ErrorKind(502, "api_error", True),
    "unsupported_by_provider": ErrorKind(400, "invalid_request_error", False),
    "answer_too_large": ErrorKind(502, "api_error", False),
    "worker_lost": ErrorKind(502, "api_error", True),
    "stream_lost": ErrorKind(502, "api_error", True),
    "cancelled": ErrorKind(499, "api_error", False),
    "slow_client": ErrorKind(499, "api_error", False),
    "internal_error": ErrorKind(500, "api_error", False),
}


class ErrorDetail(Struct, frozen=True, array_like=True, gc=False):
    """An error as it crosses a process boundary; `param` is the path of the offending field, as OpenAI names it."""

    code: ErrorCode
    message: str
    param: str | None = None
    retry_after_s: float | None = None


class PenstockError(Exception):
    """The one error type that crosses module boundaries; `detail.code` is a key of `ERRORS`."""

    def __init__(
        self, code: ErrorCode, message: str, *, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.detail = ErrorDetail(code, message, param, retry_after_s)

    @property
    def code(self) -> ErrorCode:
        return self.detail.code

    @property
    def kind(self) -> ErrorKind:
        return ERRORS[self.detail.code]

    @classmethod
    def of(cls, detail: ErrorDetail) -> "PenstockError":
        return cls(detail.code, detail.message, param=detail.param, retry_after_s=detail.retry_after_s)


class ErrorObject(Struct, frozen=True):
    """The inside of `ErrorBody`; the four keys that OpenAI's SDKs read. Nested, as a flat one is swallowed."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(Struct, frozen=True):
    """The one error shape that clients see, in a response body and in a stream."""

    error: ErrorObject

    @classmethod
    def of(cls, detail: ErrorDetail) -> "ErrorBody":
        return cls(ErrorObject(detail.message, ERRORS[detail.code].type, detail.param, detail.code))


def error_json(detail: ErrorDetail) -> bytes:
    """Encode an error in the shape that clients read."""
    return msgspec.json.encode(ErrorBody.of(detail))
