"""One kind of provider error by its names and wordings, and the code of a status alone."""

from typing import Final

from msgspec import Struct

from penstock_contract.error_codes import ErrorCode


class ErrorPattern(Struct, frozen=True):
    """Names and wordings of one kind of error; `source` is the server that sends them.

    `param` is the field that such an error is about, where the server does not name it.
    """

    code: ErrorCode
    source: str
    names: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()
    param: str | None = None


QUOTA: Final = "provider_quota_exhausted"
CONTEXT: Final = "context_length_exceeded"
POLICY: Final = "content_policy_violation"
UNSUPPORTED: Final = "unsupported_by_provider"
MODEL: Final = "provider_model_not_found"
AUTH: Final = "provider_auth_failed"
RATE: Final = "provider_rate_limited"
UNAVAILABLE: Final = "provider_unavailable"
REJECTED: Final = "provider_rejected"

STATUSES: dict[int, ErrorCode] = {
    400: "provider_rejected",
    401: "provider_auth_failed",
    402: "provider_quota_exhausted",
    403: "provider_auth_failed",
    404: "provider_model_not_found",
    409: "provider_unavailable",
    413: "context_length_exceeded",
    415: "provider_rejected",
    422: "provider_rejected",
    424: "provider_unavailable",
    429: "provider_rate_limited",
}
"""The meaning of a status alone; any other status is `provider_unavailable`."""
