"""The errors of calls to the API server: a closed set, one kind for each way to react."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

ErrorKind = Literal["Conflict", "NotFound", "Forbidden", "TooManyRequests", "Invalid", "Failed", "Unavailable"]

MESSAGE_MAX = 500
BUSY_AGAIN_S: Final = 1.0
"""Delay after a 429 without a Retry-After header."""
FORBIDDEN_AGAIN_S: Final = 4.0
"""Interval at which a request that was refused with 403 is repeated, until the right is granted."""


class ApiError(Exception):
    """`kind` determines the reaction:

    - Conflict: the object changed meanwhile, or the version of a list has expired. Read again.
    - NotFound: the object does not exist, or no longer.
    - Forbidden: a right is missing, a quota is used up, or the namespace is terminating. An immediate retry is useless.
    - TooManyRequests: retry after `retry_after_s`.
    - Invalid: the API server rejects the object itself; the message contains the reason.
    - Failed: the API server could not process the request, mostly because an admission webhook is unavailable; the
      message contains the reason.
    - Unavailable: no response, or the server is in trouble. Whether the request took effect is unknown.
    """

    def __init__(self, kind: ErrorKind, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.retry_after_s = retry_after_s


class _Details(msgspec.Struct):
    retry_after_seconds: float | None = msgspec.field(default=None, name="retryAfterSeconds")


class _Status(msgspec.Struct):
    """The fields of a metav1.Status that are read here."""

    message: str = ""
    details: _Details | None = None


_UNTYPED: Final = "failed to create typed patch object"
"""Message of the 500 with which a server rejects an apply that does not fit the schema: an unknown field, a string for
a number, a duplicate list entry (apimachinery 0.36, `structuredmerge.go`). Only the message distinguishes it."""

_KINDS: Mapping[int, ErrorKind] = {
    400: "Invalid",
    401: "Forbidden",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Conflict",
    422: "Invalid",
    429: "TooManyRequests",
    500: "Failed",
}


def error_of(status: int, body: bytes, retry_after: str | None) -> ApiError:
    """The error of a response with an HTTP status of 400 or more. `retry_after` is the header."""
    try:
        parsed = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        parsed = _Status()
    kind: ErrorKind = _KINDS.get(status, "Unavailable" if status >= 500 else "Invalid")
    if kind == "Failed" and parsed.message.startswith(_UNTYPED):
        kind = "Invalid"
    retry_after_s = parsed.details.retry_after_seconds if parsed.details is not None else None
    if retry_after is not None and retry_after.isdigit():
        retry_after_s = float(retry_after)
    return ApiError(kind, (parsed.message or f"HTTP status {status}")[:MESSAGE_MAX], retry_after_s=retry_after_s)
