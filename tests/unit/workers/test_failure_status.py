"""A provider's error by HTTP status: its code, its constant message and its retry time."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from unit.support.vendor_bodies import CONTEXT, RATE

from penstock_contract.error_codes import ErrorCode
from penstock_worker.providers.failure.provider_failure import (
    MESSAGES,
    PROVIDER_RETRY_AFTER_MAX_S,
    failure,
    failure_of_status,
    retry_after_s,
)

STATUSES: dict[int, ErrorCode] = {
    200: "provider_unavailable",
    301: "provider_unavailable",
    400: "provider_rejected",
    401: "provider_auth_failed",
    402: "provider_quota_exhausted",
    403: "provider_auth_failed",
    404: "provider_model_not_found",
    405: "provider_unavailable",
    408: "provider_unavailable",
    413: "context_length_exceeded",
    422: "provider_rejected",
    429: "provider_rate_limited",
    500: "provider_unavailable",
    502: "provider_unavailable",
    503: "provider_unavailable",
    504: "provider_unavailable",
    529: "provider_unavailable",
}


@pytest.mark.parametrize(("status", "code"), STATUSES.items())
def test_failure_of_a_status_has_its_code_and_a_constant_message(status: int, code: ErrorCode) -> None:
    error = failure_of_status(status, {}, b"the provider's own words, with the prompt")

    assert error.code == code
    assert error.detail.message == f"{MESSAGES[code]} (HTTP {status})"


@pytest.mark.parametrize(
    ("known_code", "code"),
    [
        ("context_length_exceeded", "context_length_exceeded"),
        ("content_filter", "content_policy_violation"),
        ("content_policy_violation", "content_policy_violation"),
        ("made_up", "provider_rejected"),
    ],
)
def test_failure_of_a_rejection_has_the_meaning_of_its_known_code(known_code: str, code: ErrorCode) -> None:
    body = b'{"error":{"message":"no","code":"%b"}}' % known_code.encode()

    assert failure_of_status(400, {}, body).code == code
    assert failure_of_status(422, {}, body).code == code


def test_failure_ignores_a_known_code_outside_a_rejection() -> None:
    assert failure_of_status(500, {}, b'"context_length_exceeded"').code == "provider_unavailable"


def test_failure_ignores_a_message_that_only_mentions_a_code() -> None:
    assert failure_of_status(400, {}, b'{"message":"not a content_filter thing"}').code == "provider_rejected"


def test_failure_of_a_status_has_its_retry_after() -> None:
    assert failure_of_status(429, {"retry-after": "7"}, b"").detail.retry_after_s == 7


@pytest.mark.parametrize("code", MESSAGES)
def test_failure_messages_are_constant_and_end_without_a_full_stop(code: ErrorCode) -> None:
    assert failure(code).detail.message == MESSAGES[code]
    assert not MESSAGES[code].endswith(".")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "", "retry-after": "9"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-inf"}, 0.0),
        ({"retry-after": "inf"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "1e308"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "1e400"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "9" * 20}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "9" * 5000}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after-ms": "inf"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after-ms": "1e308"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, PROVIDER_RETRY_AFTER_MAX_S),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"retry-after": "Fri, 31 Feb 2026 25:61:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_as_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    assert retry_after_s({"retry-after": date}) == pytest.approx(100, abs=5)


def test_failure_of_an_empty_account_is_not_a_rate_limit() -> None:
    body = b'{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}'
    error = failure_of_status(429, {"retry-after": "20"}, body)

    assert (error.code, error.detail.retry_after_s) == ("provider_quota_exhausted", None)


def test_failure_of_bedrock_is_named_by_a_header() -> None:
    headers = {"x-amzn-errortype": "ThrottlingException:http://internal.amazon.com/coral"}

    assert failure_of_status(400, headers, b'{"message":"no"}').code == RATE


def test_failure_of_a_body_cut_at_its_bound_has_its_message() -> None:
    assert failure_of_status(400, {}, b'{"error":{"message":"prompt is too long","x":"yyy').code == CONTEXT
