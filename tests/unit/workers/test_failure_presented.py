"""A provider's error as clients receive it: refused fields and the redacted message."""

import pytest
from unit.support.vendor_bodies import encoded, openai

from penstock_contract.error_codes import ErrorCode
from penstock_worker.providers.failure.provider_failure import (
    MESSAGES,
    SHOWN,
    failure,
    failure_of_error,
    failure_of_status,
    presented,
)
from penstock_worker.providers.failure.redaction import Redaction

OURS = Redaction(("sk-a-secret-of-ours",), ("api.example.com",))


@pytest.mark.parametrize("code", sorted(SHOWN))
def test_failure_about_the_request_is_presented_with_the_providers_redacted_message(code: str) -> None:
    body = encoded({"error": {"message": "foo is odd for sk-a-secret-of-ours at api.example.com", "param": "foo"}})
    error = failure_of_status(400, {}, body)
    error = type(error)(code, error.detail.message, param=error.detail.param, provider_message=error.provider_message)  # type: ignore[arg-type]

    shown = presented(error, OURS, show=True).detail
    assert (shown.message, shown.param) == ("foo is odd for [key] at [address]", "foo")


@pytest.mark.parametrize("code", sorted(set(MESSAGES) - SHOWN))
def test_failure_about_the_account_or_the_providers_state_is_presented_with_a_constant_message(code: ErrorCode) -> None:
    error = failure(code)
    error.provider_message = "your organization org-12345678 has no money"

    assert presented(error, OURS, show=True).detail.message == MESSAGES[code]


def test_failure_of_a_route_that_hides_messages_is_presented_with_the_field_only() -> None:
    error = failure_of_status(400, {}, encoded(openai("their words", param="foo.bar[2]")))

    shown = presented(error, OURS, show=False).detail
    assert shown.message == "the provider rejected the request as invalid (HTTP 400, foo.bar[2])"
    assert shown.param == "foo.bar[2]"


def test_failure_with_an_entirely_redacted_message_is_presented_with_a_constant_one() -> None:
    error = failure_of_status(400, {}, encoded(openai("\u200b\u0007 \n")))

    assert presented(error, OURS, show=True).detail.message == "the provider rejected the request as invalid (HTTP 400)"


@pytest.mark.parametrize(
    "param", ["max_tokens", "messages[0].content", "tools[3].function.name", "other", "messages.A"]
)
def test_failure_names_the_refused_field_of_the_request(param: str) -> None:
    error = failure_of_status(400, {}, encoded(openai("no", param=param)))

    assert presented(error, OURS, show=True).detail.param == param


@pytest.mark.parametrize(
    "param",
    ["sk-secret", "messages in the prompt", "a.example.com", "x" * 100, "sk-a-secret-of-ours", "", 7, None, [], {}],
)
def test_failure_does_not_repeat_an_invalid_field_path(param: object) -> None:
    error = failure_of_status(400, {}, encoded(openai("no", param=param)))

    assert presented(error, OURS, show=True).detail.param is None


DETAILS = {
    "error_code": "thread_unsupported_request",
    "unsupported": [{"field": "tools[0]", "limit": 3, "hard": True, "note": None}],
    "where": "https://api.example.com/v1?key=sk-a-secret-of-ours",
}


def anthropic(**fields: object) -> bytes:
    error = {"type": "invalid_request_error", "message": "no", **fields}
    return encoded({"type": "error", "error": error, "request_id": "req_their_own_id"})


def test_failure_keeps_the_further_fields_of_anthropics_error_object_redacted() -> None:
    error = failure_of_status(400, {}, anthropic(details=DETAILS, novel="a hint"))

    shown = presented(error, OURS, show=True).detail
    assert shown.fields == {"details": {**DETAILS, "where": "[address]"}, "novel": "a hint"}


def test_failure_inside_a_stream_keeps_the_further_fields_of_anthropics_error_object() -> None:
    error = failure_of_error({"type": "invalid_request_error", "message": "no", "details": {"error_code": "x"}})
    error = type(error)("provider_rejected", "no", provider_message="no", fields=error.fields)

    assert presented(error, OURS, show=True).detail.fields == {"details": {"error_code": "x"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"details": {"text": ["x" * 900] * 4}},
        {"de tails": "x"},
        {"sk-a-secret-of-ours": "x"},
        {"details": None},
        {"limit": 2**64},
        {},
    ],
    ids=["large", "odd name", "secret", "null", "integer of 65 bits", "none"],
)
def test_failure_leaves_out_further_fields_that_are_no_help(fields: dict[str, object]) -> None:
    error = failure_of_status(400, {}, anthropic(**fields))

    assert presented(error, OURS, show=True).detail.fields is None


def test_failure_bounds_the_depth_of_further_fields() -> None:
    deep: object = "text"
    for _ in range(50):
        deep = {"a": deep}
    error = failure_of_status(400, {}, anthropic(details=deep))

    assert presented(error, OURS, show=True).detail.fields == {"details": {"a": {"a": {"a": {"a": None}}}}}


@pytest.mark.parametrize("body", [anthropic(details=DETAILS), encoded({**openai("no"), "details": {"a": 1}})])
def test_failure_of_a_route_that_hides_messages_has_no_further_fields(body: bytes) -> None:
    assert presented(failure_of_status(400, {}, body), OURS, show=False).detail.fields is None


def test_failure_about_the_account_has_no_further_fields() -> None:
    body = encoded({"type": "error", "error": {"type": "billing_error", "message": "no", "details": DETAILS}})

    assert presented(failure_of_status(400, {}, body), OURS, show=True).detail.fields is None
