"""The meaning of a provider's failure: of an HTTP status and its body, and of an error object inside a 200.

`error_table` is the table, `error_body` reads the shapes. The message of a failure is constant text; the provider's
own is kept beside it (`ProviderFailure.provider_message`) until `presented` decides whether the client may read it.
"""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Literal

from penstock_contract.error_codes import ErrorCode
from penstock_contract.errors import PenstockError
from penstock_worker.providers.failure.error_body import ProviderErrorBody, read, read_object
from penstock_worker.providers.failure.error_pattern import STATUSES, ErrorPattern
from penstock_worker.providers.failure.error_table import ERROR_TABLE
from penstock_worker.providers.failure.redaction import Redaction

PROVIDER_RETRY_AFTER_MAX_S = 3600.0
"""The longest `Retry-After` that is taken from a provider: an SDK would wait for all of it."""

MESSAGES: dict[ErrorCode, str] = {
    "provider_rejected": "the provider rejected the request as invalid",
    "provider_auth_failed": "the provider refused our credentials",
    "provider_model_not_found": "the provider does not have this model",
    "provider_quota_exhausted": "our account with the provider is empty",
    "provider_rate_limited": "the provider's rate limit is reached",
    "provider_unavailable": "the provider is not available",
    "context_length_exceeded": "the request is longer than the model's context",
    "content_policy_violation": "the provider's content policy refused the request",
    "unsupported_by_provider": "the provider does not support what was asked for",
    "provider_stream_broken": "the provider's answer broke off or could not be read",
}

SHOWN: frozenset[ErrorCode] = frozenset(
    {"provider_rejected", "context_length_exceeded", "unsupported_by_provider", "content_policy_violation"}
)
"""Failures of the caller's own request: the provider's message is what the caller needs to repair it. The others are
about our account with the provider, or its state."""

WAITS: frozenset[ErrorCode] = frozenset({"provider_rate_limited", "provider_unavailable"})
"""A `Retry-After` is for a caller that should come back; an empty account is not filled by waiting."""

StreamField = Literal["stream", "stream_options"]
STREAM_REFUSALS: frozenset[ErrorCode] = frozenset(
    {"unsupported_by_provider", "provider_rejected", "provider_model_not_found", "provider_unavailable"}
)
"""Codes of 400, 404, 422, and of 405 and 501, which some servers and routers answer where a model has no streams."""
_REFUSED_STREAM = re.compile(
    r"\bstream(?:s|ing|ed)?\b.{0,60}?\b(?:(?:not|isn't|aren't) (?:\w+ )?(?:supported|available|allowed|permitted"
    r"|implemented|enabled|possible)|unsupported|unavailable|disabled|must be (?:false|unset|omitted))\b"
    r"|(?:\bnot|n't|\bcannot) (?:\w+ )?(?:support|allow|permit|implement|accept)\w*\b.{0,40}?\bstream"
    r"|\b(?:unsupported|unknown|unrecognized|unexpected|invalid|extra)\b.{0,40}?\bstream\b"
)
_QUOTATION = re.compile(r"[\"`\u201c\u2018{]|(?<![a-z])'|'(?![a-z])")


class ProviderFailure(PenstockError):  # noqa: N818 - a PenstockError with the provider's message
    """`provider_message` and `fields` are not yet redacted; `reason` (a constant) and `status` are for the log."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        provider_message: str | None = None,
        fields: dict[str, object] | None = None,
        reason: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(code, message, param=param, retry_after_s=retry_after_s)
        self.fields = fields
        self.provider_message = provider_message
        self.reason = reason
        self.status = status


def failure(
    code: ErrorCode, *, retry_after_s: float | None = None, status: int | None = None, reason: str | None = None
) -> ProviderFailure:
    suffix = f" (HTTP {status})" if status is not None else ""
    return ProviderFailure(code, MESSAGES[code] + suffix, retry_after_s=retry_after_s, reason=reason, status=status)


def failure_of_status(status: int, headers: Mapping[str, str], body: bytes) -> ProviderFailure:
    """The meaning of a provider's unsuccessful response; `headers` have lower-case names. Never raises."""
    found = read(body, headers)
    wait_s = retry_after_s(headers)
    return _failure(found, status, found.wait_s if wait_s is None else wait_s)


def failure_of_error(error: object) -> ProviderFailure:
    """The meaning of an error inside a 200, decoded JSON of any type. Never raises."""
    # A bare text may be a code: `{"error": "content_filter"}`.
    found = read_object({"error": error} if isinstance(error, str) else error)
    return _failure(found, None, found.wait_s)


def refused_field(error: PenstockError) -> StreamField | None:
    """The field by which the answer is streamed, if the provider refused the request because of it.

    By the error's `param`, else by the provider's message, as several servers name no field.
    """
    if error.code not in STREAM_REFUSALS:
        return None
    name = (error.detail.param or "").split(".")[0]
    if name in {"stream", "stream_options"}:
        return "stream_options" if name == "stream_options" else "stream"
    if error.detail.param is not None or not isinstance(error, ProviderFailure):
        return None
    text = _plain(error.provider_message or "")
    if "stream_options" in text:
        return "stream_options"
    return "stream" if _REFUSED_STREAM.search(text) else None


def presented(error: PenstockError, redaction: Redaction, *, show: bool) -> PenstockError:
    """The error as the client receives it: with the provider's own message if it is about the client's request."""
    if not isinstance(error, ProviderFailure) or error.code not in SHOWN:
        return error
    detail = error.detail
    param = detail.param if detail.param is not None and redaction.allows(detail.param) else None
    shown = redaction.clean(error.provider_message) if show and error.provider_message else ""
    message = shown or (
        f"{detail.message[:-1]}, {param})" if param and detail.message.endswith(")") else detail.message
    )
    fields = redaction.clean_fields(error.fields) if show and error.fields else None
    return PenstockError(detail.code, message, param=param, retry_after_s=detail.retry_after_s, fields=fields)


def _failure(found: ProviderErrorBody, status: int | None, wait_s: float | None) -> ProviderFailure:
    meaning = _meaning(found, status)
    code = meaning.code if meaning is not None else _of_status(found, status)
    suffix = f" (HTTP {status})" if status is not None else ""
    param = None
    if code in SHOWN:
        param = (meaning.param if meaning is not None else None) or found.param
    return ProviderFailure(
        code,
        MESSAGES[code] + suffix,
        param=param,
        retry_after_s=clamped(wait_s) if code in WAITS else None,
        provider_message=found.message,
        fields=found.fields,
        status=status,
    )


def _of_status(found: ProviderErrorBody, status: int | None) -> ErrorCode:
    if status is None or status < 300:
        status = next((one for one in found.statuses if one >= 400), 503)
    return STATUSES.get(status, "provider_unavailable")


def _meaning(found: ProviderErrorBody, status: int | None) -> ErrorPattern | None:
    """The most exact row that fits; None if only the status has a meaning."""
    inside_200 = status is None or status < 300
    if status == 413:
        return None
    names = {_normal(name) for name in found.names}
    texts = [_plain(message) for message in found.messages]
    for meaning in ERROR_TABLE:
        general = meaning.code in {"provider_rejected", "provider_unavailable"}
        if general and not inside_200:
            continue
        if not names.isdisjoint(_NAMES[meaning]) or any(_worded(meaning, text) for text in texts):
            return meaning
    return None


def _normal(name: str) -> str:
    # Bedrock appends a URL or prepends a namespace: `ThrottlingException:http://…`, `com.amazon#Throttling…`.
    name = name.rsplit("#", maxsplit=1)[-1].split(":", maxsplit=1)[0]
    return re.sub(r"(exception|error)$", "", re.sub(r"[\W_]", "", name.lower()))


def _plain(message: str) -> str:
    return " ".join(message[:4096].lower().replace("\u2019", "'").split())


def _worded(meaning: ErrorPattern, text: str) -> bool:
    if not meaning.wordings:
        return False
    if meaning.code not in SHOWN:
        # A message may quote the prompt, and no prompt may cool a provider down: what follows a quotation mark is not
        # looked at.
        text = _QUOTATION.split(text, maxsplit=1)[0]
    return any(_contains(text, wording) for wording in meaning.wordings)


def _contains(text: str, wording: str) -> bool:
    at = 0
    for part in wording.split(" … "):
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`retry-after-ms`, or `retry-after` as seconds or an HTTP date (RFC 9110 §10.2.3); None if absent or nonsense."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return clamped(milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return clamped(seconds)
    try:
        return clamped(parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def clamped(seconds: float | None) -> float | None:
    """Bounded by the longest time that a client may be made to wait."""
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(0.0, seconds), PROVIDER_RETRY_AFTER_MAX_S)


def _number(text: str) -> float | None:
    try:
        number = float(text[:400])
    except ValueError:
        return None
    return None if math.isnan(number) else number


_NAMES: dict[ErrorPattern, frozenset[str]] = {
    meaning: frozenset(_normal(name) for name in meaning.names) for meaning in ERROR_TABLE
}
