"""The table of all errors."""

from typing import get_args

import msgspec
import pytest

from penstock_contract.error_codes import ERRORS, ErrorCode
from penstock_contract.errors import ErrorBody, ErrorDetail, PenstockError

CODES = get_args(ErrorCode)
OPENAI_RETRIES = {408, 409, 429}
"""OpenAI's SDKs retry these and all statuses from 500 unless `x-should-retry` is false."""


def test_errors_have_a_kind_for_every_code_and_nothing_else() -> None:
    assert set(ERRORS) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_errors_have_an_error_status(code: ErrorCode) -> None:
    assert 400 <= ERRORS[code].status < 600


@pytest.mark.parametrize("code", CODES)
def test_errors_that_are_retryable_have_a_status_that_clients_retry(code: ErrorCode) -> None:
    kind = ERRORS[code]

    if kind.retryable:
        assert kind.status in OPENAI_RETRIES or kind.status >= 500


@pytest.mark.parametrize("code", CODES)
def test_errors_have_a_nested_body_with_the_four_keys_of_openai(code: ErrorCode) -> None:
    body = msgspec.json.encode(ErrorBody.of(ErrorDetail(code, "words", "messages[0].role", 1.0)))

    assert msgspec.json.decode(body) == {
        "error": {"message": "words", "type": ERRORS[code].type, "param": "messages[0].role", "code": code}
    }


def test_errors_without_a_param_have_null() -> None:
    assert b'"param":null' in msgspec.json.encode(ErrorBody.of(ErrorDetail("internal_error", "words")))


def test_errors_keep_their_fields_across_a_process_boundary() -> None:
    detail = ErrorDetail("queue_full", "words", "model", 2.5)

    error = PenstockError.of(detail)

    assert error.detail == detail
    assert error.code == "queue_full"
    assert error.kind is ERRORS["queue_full"]
    assert str(error) == "words"
