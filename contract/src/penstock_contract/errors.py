"""The error that crosses module and process boundaries, and the one shape in which clients read it.

Raised where it is known as `PenstockError`, carried between processes as `ErrorDetail`, translated once at the edge.
A message never holds a key, an address or a path of this machine. A provider's own message is in it only for a request
that the provider refused, cleaned by the worker (`penstock_worker.providers.failure.redaction`).
"""

from typing import Any

import msgspec
from msgspec import Struct

from penstock_contract.error_codes import ERRORS, ErrorCode, ErrorKind


class ErrorDetail(Struct, frozen=True, array_like=True, gc=False):
    """An error as it crosses a process boundary; `param` is the path of the offending field, as OpenAI names it.

    `fields` are further ones of an Anthropic provider's error object, as `details`, cleaned by the worker.
    """

    code: ErrorCode
    message: str
    param: str | None = None
    retry_after_s: float | None = None
    fields: dict[str, Any] | None = None


class PenstockError(Exception):
    """The one error type that crosses module boundaries; `detail.code` is a key of `ERRORS`.

    `route` is `namespace.name` of the request's route, for metrics; empty where it has none.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        fields: dict[str, Any] | None = None,
        route: str = "",
    ) -> None:
        super().__init__(message)
        self.detail = ErrorDetail(code, message, param, retry_after_s, fields)
        self.route = route

    @property
    def code(self) -> ErrorCode:
        return self.detail.code

    @property
    def kind(self) -> ErrorKind:
        return ERRORS[self.detail.code]

    @classmethod
    def of(cls, detail: ErrorDetail, *, route: str = "") -> "PenstockError":
        error = cls(detail.code, detail.message, route=route)
        error.detail = detail
        return error


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
