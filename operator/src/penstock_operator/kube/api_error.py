"""What can go wrong between the operator and the API server: a closed set, each with its own answer."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

ErrorKind = Literal["Conflict", "NotFound", "Forbidden", "TooManyRequests", "Gone", "Invalid", "Failed", "Unavailable"]

MESSAGE_MAX = 500


class ApiError(Exception):
    """`kind` says what to do:

    Conflict: somebody was faster, read again. NotFound: it is not there (any more). Forbidden: a right is missing, a
    quota is used up, or the namespace is going away; asking again at once changes nothing. TooManyRequests: not before
    `retry_after_s`. Gone: list again. Invalid: the object itself is refused, and the message says why. Failed: the
    server could not do it, and the message says why; an admission webhook that is away, mostly. Unavailable: nobody
    answered, or the server is in trouble; nothing is known about what was asked.
    """

    def __init__(self, kind: ErrorKind, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.retry_after_s = retry_after_s


class _Details(msgspec.Struct):
    retry_after_seconds: float | None = msgspec.field(default=None, name="retryAfterSeconds")


class _Status(msgspec.Struct):
    """A metav1.Status, as far as it matters."""

    message: str = ""
    details: _Details | None = None


_UNTYPED: Final = "failed to create typed patch object"
"""How a server says in a 500 that the object of an apply does not fit its schema: a field that is none, a text for a
number, an entry twice (apimachinery 0.36, `structuredmerge.go`). Nothing else in the answer tells it from others."""

_KINDS: Mapping[int, ErrorKind] = {
    400: "Invalid",
    401: "Forbidden",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Gone",
    422: "Invalid",
    429: "TooManyRequests",
    500: "Failed",
}


def error_of(status: int, body: bytes, retry_after: str | None) -> ApiError:
    """The error in an answer with an HTTP status of 400 or more. `retry_after` is the header."""
    try:
        told = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = _Status()
    kind: ErrorKind = _KINDS.get(status, "Unavailable" if status >= 500 else "Invalid")
    if kind == "Failed" and told.message.startswith(_UNTYPED):
        kind = "Invalid"
    retry_after_s = told.details.retry_after_seconds if told.details is not None else None
    if retry_after is not None and retry_after.isdigit():
        retry_after_s = float(retry_after)
    return ApiError(kind, (told.message or f"HTTP status {status}")[:MESSAGE_MAX], retry_after_s=retry_after_s)
