"""What a provider's unsuccessful response means, whichever provider it is."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest

from penstock_contract.errors import ErrorCode
from penstock_worker.providers.failures import MESSAGES, failure, failure_of_status, retry_after_s

STATUSES: dict[int, ErrorCode] = {
    200: "provider_unavailable",
    301: "provider_unavailable",
    400: "provider_rejected",
    401: "provider_auth_failed",
    402: "provider_auth_failed",
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
def test_a_status_has_its_code_and_is_named_in_our_words(status: int, code: ErrorCode) -> None:
    error = failure_of_status(status, {}, b"the provider's own words, with the prompt")

    assert error.code == code
    assert error.detail.message == f"{MESSAGES[code]} (HTTP {status})"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("context_length_exceeded", "context_length_exceeded"),
        ("content_filter", "content_policy_violation"),
        ("content_policy_violation", "content_policy_violation"),
        ("made_up", "provider_rejected"),
    ],
)
def test_a_rejection_is_told_more_closely_by_its_known_code(said: str, code: ErrorCode) -> None:
    body = b'{"error":{"message":"no","code":"%b"}}' % said.encode()

    assert failure_of_status(400, {}, body).code == code
    assert failure_of_status(422, {}, body).code == code


def test_a_known_code_outside_a_rejection_changes_nothing() -> None:
    assert failure_of_status(500, {}, b'"context_length_exceeded"').code == "provider_unavailable"


def test_words_that_only_mention_a_code_change_nothing() -> None:
    assert failure_of_status(400, {}, b'{"message":"not a content_filter thing"}').code == "provider_rejected"


def test_a_status_carries_its_retry_after() -> None:
    assert failure_of_status(429, {"retry-after": "7"}, b"").detail.retry_after_s == 7


@pytest.mark.parametrize("code", MESSAGES)
def test_every_message_is_ours_and_ends_without_a_stop(code: ErrorCode) -> None:
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
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after": "Fri, 31 Feb 2026 25:61:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_a_retry_after_is_seconds_or_nothing(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_a_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)

    assert retry_after_s({"retry-after": date}) == pytest.approx(100, abs=5)


def test_an_empty_account_is_not_a_rate_limit() -> None:
    body = b'{"error":{"message":"no money","type":"insufficient_quota","code":"insufficient_quota"}}'
    error = failure_of_status(429, {"retry-after": "20"}, body)

    assert (error.code, error.detail.retry_after_s) == ("provider_quota_exhausted", None)


@pytest.mark.parametrize("param", ["max_tokens", "messages[0].content", "tools[3].function.name"])
def test_a_field_of_the_request_that_the_provider_refused_is_named(param: str) -> None:
    body = msgspec.json.encode({"error": {"message": "secret words", "param": param}})
    error = failure_of_status(400, {}, body)

    assert error.detail.param == param
    assert "secret words" not in error.detail.message


@pytest.mark.parametrize("param", ["sk-secret", "other", "messages in the prompt", "messages.A", 7, None])
def test_nothing_else_that_a_provider_names_is_repeated(param: object) -> None:
    error = failure_of_status(400, {}, msgspec.json.encode({"error": {"param": param}}))

    assert (error.detail.param, str(error)) == (None, "the provider rejected the request as invalid (HTTP 400)")
