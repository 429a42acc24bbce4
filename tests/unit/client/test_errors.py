"""The error that the client raises for an unsuccessful response."""

from email.message import Message

import msgspec
import pytest

from penstock_client.errors import GatewayError, failed_in_stream, refused
from penstock_contract.error_codes import ERRORS, ErrorCode
from penstock_contract.errors import ErrorBody, ErrorDetail


def case_insensitive(headers: dict[str, str]) -> Message:
    message = Message()
    for name, value in headers.items():
        message[name] = value
    return message


@pytest.mark.parametrize("code", ERRORS)
def test_errors_keep_every_code_of_the_table_over_the_wire(code: ErrorCode) -> None:
    """The client's error has the code, status, param and retry hint of the gateway's."""
    kind = ERRORS[code]
    body = msgspec.json.encode(ErrorBody.of(ErrorDetail(code, "what happened", param="messages[0].role")))
    headers = {"x-request-id": "req_1", "x-should-retry": "true" if kind.retryable else "false", "retry-after": "2"}

    error = refused(kind.status, headers, body, 0.0)

    assert (code, kind.status, "what happened", "messages[0].role", "req_1", 2.0, kind.retryable) == (
        error.code,
        error.status,
        error.message,
        error.param,
        error.request_id,
        error.retry_after_s,
        error.retryable,
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff", b'{"message":"flat"}', b'{"error":"text"}', b'{"error":{"message":null}}', b"[]"]
)
def test_errors_of_another_server_are_gateway_errors(body: bytes) -> None:
    """An error of a proxy or another server keeps its status and never contains its body."""
    error = refused(502, {}, body, 0.0)

    assert (error.code, error.status, error.retryable, error.request_id) == ("http_error", 502, True, None)
    assert "502 Bad Gateway" in str(error)
    assert "html" not in str(error)


def test_errors_have_the_number_of_an_unassigned_status() -> None:
    """`HTTPStatus` has no 599."""
    assert refused(599, {}, b"", 0.0).message.startswith("599,")


def test_errors_read_headers_in_any_case() -> None:
    """The mapping compares names; the client looks them up in lower case."""
    assert refused(429, case_insensitive({"Retry-After": "3"}), b"", 0.0).retry_after_s == 3.0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "retryable"), [("worker_lost", True), ("cancelled", False), ("from_the_future", False)]
)
def test_errors_inside_a_stream_have_their_status_and_code(code: str, retryable: bool) -> None:
    """The error has the status of the stream and the code of the table; newer codes are kept."""
    data = f'{{"error":{{"message":"lost","type":"api_error","param":null,"code":"{code}"}}}}'

    error = failed_in_stream(data, "req_1")

    assert (code, "lost", 200, "req_1", retryable) == (
        error.code,
        error.message,
        error.status,
        error.request_id,
        error.retryable,
    )


def test_errors_print_everything_in_one_line() -> None:
    """The logged text identifies the request."""
    error = GatewayError("the queue is full", code="queue_full", status=429, request_id="req_1")

    assert str(error) == "the queue is full (queue_full, HTTP 429, request req_1)"
    assert str(GatewayError("no answer", code="timeout")) == "no answer (timeout)"
