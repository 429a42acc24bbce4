"""Errors in the shape of Anthropic's API."""

import pytest

from penstock_contract.anthropic.errors import error_type, messages_error, messages_error_json
from penstock_contract.error_codes import ERRORS, ErrorCode
from penstock_contract.errors import ErrorDetail

TYPES: dict[ErrorCode, str] = {
    "invalid_request": "invalid_request_error",
    "invalid_api_key": "authentication_error",
    "origin_not_allowed": "permission_error",
    "key_not_found": "not_found_error",
    "conflict": "conflict_error",
    "receive_timeout": "timeout_error",
    "headers_too_large": "invalid_request_error",
    "overloaded": "overloaded_error",
    "request_too_large": "request_too_large",
    "unsupported_content_encoding": "invalid_request_error",
    "unsupported_transfer_coding": "api_error",
    "not_found": "not_found_error",
    "method_not_allowed": "invalid_request_error",
    "model_not_found": "not_found_error",
    "model_not_ready": "overloaded_error",
    "rate_limit_exceeded": "rate_limit_error",
    "budget_exhausted": "billing_error",
    "queue_full": "rate_limit_error",
    "queue_timeout": "overloaded_error",
    "broker_unavailable": "overloaded_error",
    "broker_full": "overloaded_error",
    "gateway_stopping": "overloaded_error",
    "first_token_timeout": "timeout_error",
    "idle_timeout": "timeout_error",
    "request_timeout": "timeout_error",
    "provider_auth_failed": "api_error",
    "provider_model_not_found": "api_error",
    "provider_quota_exhausted": "api_error",
    "provider_rate_limited": "rate_limit_error",
    "provider_rejected": "invalid_request_error",
    "context_length_exceeded": "invalid_request_error",
    "content_policy_violation": "invalid_request_error",
    "provider_unavailable": "api_error",
    "provider_stream_broken": "api_error",
    "unsupported_by_provider": "invalid_request_error",
    "answer_too_large": "api_error",
    "worker_lost": "api_error",
    "stream_lost": "api_error",
    "cancelled": "api_error",
    "slow_client": "api_error",
    "stopped": "api_error",
    "stream_not_found": "not_found_error",
    "response_not_found": "not_found_error",
    "internal_error": "api_error",
}


@pytest.mark.parametrize("code", ERRORS)
def test_message_error_has_anthropics_type_of_its_code(code: ErrorCode) -> None:
    assert error_type(code) == TYPES[code]


def test_message_error_of_a_thread_makes_an_sdk_send_the_whole_conversation() -> None:
    found = messages_error(ErrorDetail("unsupported_by_provider", "words", "thread"))

    assert found.error.details == {"error_code": "thread_unsupported_request", "unsupported": []}


def test_message_error_has_anthropics_shape_with_the_code_beside_it() -> None:
    detail = ErrorDetail("invalid_request", "max_tokens: this field is required", "max_tokens")

    assert messages_error_json(detail, "req_1") == (
        b'{"error":{"type":"invalid_request_error","message":"max_tokens: this field is required",'
        b'"code":"invalid_request","param":"max_tokens"},"request_id":"req_1","type":"error"}'
    )


def test_message_error_has_the_further_fields_of_the_providers() -> None:
    detail = ErrorDetail("provider_rejected", "no", "tools", fields={"details": {"error_code": "x"}, "code": "y"})

    assert messages_error_json(detail, "req_1") == (
        b'{"error":{"details":{"error_code":"x"},"code":"provider_rejected","type":"invalid_request_error",'
        b'"message":"no","param":"tools"},"request_id":"req_1","type":"error"}'
    )
