"""The meaning of a provider's failure: of an HTTP status, and of an error object inside a 200."""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import ErrorCode, PenstockError
from penstock_contract.requests import ChatCompletionRequest

REQUEST_FIELDS = frozenset(ChatCompletionRequest.__struct_fields__) | {"input", "dimensions"}
FIELD_PATH = re.compile(r"[a-z_]{1,32}(\[[0-9]{1,5}\]|\.[a-z_]{1,32}){0,8}")

STATUS_CODES: dict[int, ErrorCode] = {
    400: "provider_rejected",
    401: "provider_auth_failed",
    402: "provider_auth_failed",
    403: "provider_auth_failed",
    404: "provider_model_not_found",
    413: "context_length_exceeded",
    422: "provider_rejected",
    429: "provider_rate_limited",
}

MESSAGES: dict[ErrorCode, str] = {
    "provider_rejected": "the provider rejected the request as invalid",
    "provider_auth_failed": "the provider refused our credentials",
    "provider_model_not_found": "the provider does not have this model",
    "provider_quota_exhausted": "our account with the provider is empty",
    "provider_rate_limited": "the provider's rate limit is reached",
    "provider_unavailable": "the provider is not available",
    "context_length_exceeded": "the request is longer than the model's context",
    "content_policy_violation": "the provider's content policy refused the request",
    "provider_stream_broken": "the provider's answer broke off or could not be read",
}
"""Our words, not the provider's: its bodies may quote the prompt or the key."""

KNOWN_CODES: dict[str, ErrorCode] = {
    "context_length_exceeded": "context_length_exceeded",
    "content_filter": "content_policy_violation",
    "content_policy_violation": "content_policy_violation",
    "insufficient_quota": "provider_quota_exhausted",
}
"""The provider error codes that say more than the status does."""


def failure(code: ErrorCode, *, retry_after_s: float | None = None, status: int | None = None) -> PenstockError:
    suffix = f" (HTTP {status})" if status is not None else ""
    return PenstockError(code, MESSAGES[code] + suffix, retry_after_s=retry_after_s)


def failure_of_status(status: int, headers: Mapping[str, str], body: bytes) -> PenstockError:
    """What a provider's unsuccessful response means; `headers` have lower-case names."""
    code = STATUS_CODES.get(status, "provider_unavailable")
    if code not in {"provider_rejected", "provider_rate_limited"}:
        return failure(code, retry_after_s=retry_after_s(headers), status=status)
    said = _said(body)
    code = KNOWN_CODES.get(said.code or "", KNOWN_CODES.get(said.type or "", code))
    if code == "provider_rejected" and (param := _own_field(said.param)) is not None:
        return PenstockError(code, f"{MESSAGES[code]} (HTTP {status}, {param})", param=param)
    # A Retry-After is for who should come back; an empty account is not filled by waiting.
    wait_s = retry_after_s(headers) if code == "provider_rate_limited" else None
    return failure(code, retry_after_s=wait_s, status=status)


class _Said(Struct):
    code: str | None = None
    type: str | None = None
    param: str | None = None


class _ErrorAnswer(Struct):
    error: _Said


def _said(body: bytes) -> _Said:
    try:
        return msgspec.json.decode(body, type=_ErrorAnswer).error
    except UNREADABLE:
        return _Said()


def _own_field(param: str | None) -> str | None:
    """The field that the provider found wrong, if it is one of the request's own: nothing else it says is repeated."""
    if param is None or not FIELD_PATH.fullmatch(param):
        return None
    return param if re.split(r"[.\[]", param, maxsplit=1)[0] in REQUEST_FIELDS else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`retry-after-ms`, or `retry-after` as seconds or an HTTP date (RFC 9110 §10.2.3); None if absent or nonsense."""
    milliseconds = _finite(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _finite(value)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def failure_of_error(error: object) -> PenstockError:
    """The meaning of an error inside a 200, by its `code` or `type` and never by its message."""
    if isinstance(error, dict):
        names = [str(error.get("code")), str(error.get("type"))]
        for name in names:
            if name in KNOWN_CODES:
                return failure(KNOWN_CODES[name])
        if any("rate_limit" in name or name == "429" for name in names):
            return failure("provider_rate_limited")
    return failure("provider_unavailable")
