"""A provider's error as clients receive it: refused fields and the redacted message."""

import pytest
from unit.support.vendor_bodies import encoded, openai

from penstock_contract.error_codes import ErrorCode
from penstock_worker.providers.failure.provider_failure import MESSAGES, SHOWN, failure, failure_of_status, presented
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
