"""Errors in the shape of Anthropic's API, for its endpoints. The codes are those of `errors`."""

from typing import Any, Final, Literal, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from penstock_contract.error_codes import ERRORS, ErrorCode
from penstock_contract.errors import ErrorDetail

MessagesErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "overloaded_error",
    "api_error",
]

OF_STATUS: Final[dict[int, MessagesErrorType]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Any other status is `invalid_request_error` below 500, and `api_error` from there on."""
OF_CODE: Final[dict[ErrorCode, MessagesErrorType]] = {
    "budget_exhausted": "billing_error",
    "cancelled": "api_error",
    "slow_client": "api_error",
    "stopped": "api_error",
}
"""Codes whose type is not that of their status."""
OF_PARAM: Final[dict[str, dict[str, Any]]] = {
    "thread": {"error_code": "thread_unsupported_request", "unsupported": []},
}
"""Anthropic's `details` of a refused field. Its SDKs then send the whole conversation without a thread."""
SERVER_ERRORS: Final = 500


class MessagesErrorObject(Struct, frozen=True):
    """`code` and `param` are Penstock's, beside Anthropic's two fields."""

    type: MessagesErrorType
    message: str
    code: str
    param: str | None = None
    details: dict[str, Any] | UnsetType = UNSET


class MessagesErrorBody(Struct, frozen=True):
    """An error of the Messages API, in a response body and in a stream."""

    error: MessagesErrorObject
    request_id: str | None = None
    type: Literal["error"] = "error"


def error_type(code: ErrorCode) -> MessagesErrorType:
    """Anthropic's type of an error."""
    status = ERRORS[code].status
    default: MessagesErrorType = "invalid_request_error" if status < SERVER_ERRORS else "api_error"
    return OF_CODE.get(code) or OF_STATUS.get(status, default)


def messages_error(detail: ErrorDetail, request_id: str | None = None) -> MessagesErrorBody:
    details = OF_PARAM.get(detail.param or "", UNSET)
    found = MessagesErrorObject(error_type(detail.code), detail.message, detail.code, detail.param, details)
    if detail.fields:
        # The provider's further fields have no place in a Struct; both forms are encoded as the same object.
        found = cast("MessagesErrorObject", {**detail.fields, **msgspec.to_builtins(found)})
    return MessagesErrorBody(found, request_id)


def messages_error_json(detail: ErrorDetail, request_id: str | None = None) -> bytes:
    """Encode an error in the shape that Anthropic's clients read."""
    return msgspec.json.encode(messages_error(detail, request_id))
