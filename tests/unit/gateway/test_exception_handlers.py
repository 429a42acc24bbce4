"""Every failure before the first byte has one shape, its real status, and no internal text."""

import http
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from litestar import post
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    PermissionDeniedException,
    ValidationException,
)
from litestar.params import JSONBody
from litestar.testing import TestClient, create_test_client
from opentelemetry.metrics import NoOpMeterProvider

from penstock_contract.anthropic.errors import messages_error
from penstock_contract.error_codes import ERRORS, ErrorCode
from penstock_contract.errors import ErrorBody, ErrorDetail, PenstockError
from penstock_contract.request.chat_body import ChatBody, read_chat
from penstock_gateway.access.principal import ANONYMOUS
from penstock_gateway.access.request_context import set_context
from penstock_gateway.api.json_request import READER, ClientRequest
from penstock_gateway.http.error_response import ErrorResponse
from penstock_gateway.http.exception_handlers import ExceptionHandlers, translate
from penstock_gateway.server.body_memory import BodyCharge, BodyMemory
from penstock_gateway.telemetry.request_observer import RequestObserver

TRANSLATIONS: dict[str, tuple[HTTPException, ErrorCode]] = {
    "nothing there": (NotFoundException(), "not_found"),
    "another method": (MethodNotAllowedException(), "method_not_allowed"),
    "too large": (ClientException(status_code=413), "request_too_large"),
    "bad JSON": (ClientException(detail="JSON is malformed: /srv/secret.py"), "invalid_request"),
    "a bad field": (ValidationException(extra=[{"message": "Expected `str`", "key": "a"}]), "invalid_request"),
    "a bad body": (ValidationException(extra=[]), "invalid_request"),
    "something of Litestar's": (InternalServerException(detail="Traceback /srv/secret.py"), "internal_error"),
    "something else": (PermissionDeniedException(detail="secret"), "invalid_request"),
}


@pytest.mark.parametrize(("error", "code"), TRANSLATIONS.values(), ids=TRANSLATIONS)
def test_exception_handlers_translate_litestar_errors_without_their_text(error: HTTPException, code: ErrorCode) -> None:
    detail = translate(error, "POST /v1/x", 1000)

    assert detail.code == code
    assert "secret" not in detail.message


def test_exception_handlers_name_an_unknown_path_or_method() -> None:
    assert translate(NotFoundException(), "GET /v2", 1000).message == "no endpoint at GET /v2"
    assert translate(MethodNotAllowedException(), "GET /v1/x", 1000).message == "GET /v1/x is not allowed"


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_error_response_has_its_status_and_retry_header(code: ErrorCode) -> None:
    response = ErrorResponse(ErrorDetail(code, "words")).litestar()

    assert response.status_code == ERRORS[code].status
    assert response.headers["x-should-retry"] == ("true" if ERRORS[code].retryable else "false")
    assert response.content == ErrorBody.of(ErrorDetail(code, "words"))
    assert "retry-after" not in response.headers


SCOPE: Any = {"type": "http", "headers": [], "penstock.request_id": "req_1"}
CLIENT = [(b"anthropic-version", b"2023-06-01")]


@pytest.mark.parametrize(
    ("scope", "anthropics"),
    [
        ({"path": "/v1/messages"}, True),
        ({"path": "/v1/messages/count_tokens"}, True),
        ({"path": "/v1/messages/batches"}, True),
        ({"path": "/v1/models", "headers": CLIENT}, True),
        ({"path": "/v1/models/a/b", "headers": CLIENT}, True),
        ({"path": "/v1/models"}, False),
        ({"path": "/v1/messagesx"}, False),
        ({"path": "/v1/chat/completions", "headers": CLIENT}, False),
    ],
)
def test_error_response_has_the_shape_of_the_requests_api(scope: dict[str, Any], *, anthropics: bool) -> None:
    detail = ErrorDetail("model_not_found", "words", "model")
    response = ErrorResponse(detail)
    expected = messages_error(detail, "req_1") if anthropics else ErrorBody.of(detail)

    assert response.litestar({**SCOPE, **scope}).content == expected
    assert response.raw("req_1", scope={**SCOPE, **scope}).endswith(b"\r\n\r\n" + msgspec.json.encode(expected))


@pytest.mark.parametrize(
    ("retry_after_s", "seconds", "milliseconds"),
    [
        (2, "2", "2000"),
        (0.2501, "1", "251"),
        (0, "0", "0"),
        (1.5, "2", "1500"),
        (-3, "0", "0"),
        (float("-inf"), "0", "0"),
        (1e308, "2678400", "2678400000"),
        (float("inf"), "2678400", "2678400000"),
    ],
)
def test_error_response_has_retry_after_in_seconds_and_milliseconds(
    retry_after_s: float, seconds: str, milliseconds: str
) -> None:
    headers = ErrorResponse(ErrorDetail("queue_full", "words", None, retry_after_s)).headers

    assert (headers["retry-after"], headers["retry-after-ms"]) == (seconds, milliseconds)


def test_error_response_leaves_out_a_wait_that_is_not_a_number() -> None:
    headers = ErrorResponse(ErrorDetail("queue_full", "words", None, float("nan"))).headers

    assert "retry-after" not in headers
    assert "retry-after-ms" not in headers


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient[Any]]:
    @post("/v1/chat/completions", status_code=200, opt={READER: read_chat})
    async def handler(data: JSONBody[ChatBody]) -> dict[str, str]:
        if data.model == "explode":
            raise KeyError("a secret of ours")
        if data.model == "nonsense":
            msgspec.json.decode(b"{")
        if data.model == "not UTF-8":
            msgspec.json.decode(b'"\xff"')
        if data.model == "deep":
            msgspec.json.decode(b"[" * 100_000)
        if data.model == "full":
            raise PenstockError("queue_full", "words", retry_after_s=2)
        return {}

    handlers = ExceptionHandlers(RequestObserver(NoOpMeterProvider().get_meter("test")), body_bytes_max=1000)

    async def with_context(request: ClientRequest) -> None:
        set_context(request.scope, request.receive, ANONYMOUS, BodyCharge(BodyMemory(10 * 1024 * 1024)))

    with create_test_client(
        [handler],
        request_class=ClientRequest,
        before_request=with_context,
        exception_handlers={
            PenstockError: handlers.penstock,
            HTTPException: handlers.http,
            Exception: handlers.unexpected,
        },
        logging_config=None,
        raise_server_exceptions=False,
    ) as made:
        yield made


def answer(client: TestClient[Any], body: bytes) -> tuple[int, dict[str, Any]]:
    response = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    return response.status_code, msgspec.json.decode(response.content)["error"]


GOOD = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def body(**fields: Any) -> bytes:
    return msgspec.json.encode({**GOOD, **fields})


def test_exception_handlers_leave_a_valid_body_alone(client: TestClient[Any]) -> None:
    assert client.post("/v1/chat/completions", content=body(unknown={"a": [1]})).status_code == http.HTTPStatus.OK


FIELDS: dict[str, tuple[bytes, str]] = {
    "an unknown role": (body(messages=[{"role": "bad", "content": "hi"}]), "messages[0].role"),
    "a content of a wrong type": (body(messages=[{"role": "user", "content": 7}]), "messages[0].content"),
    "no messages": (body(messages=[]), "messages"),
    "a message that is none": (body(messages=["hi"]), "messages[0]"),
    "too hot": (body(temperature=2.1), "temperature"),
    "no tokens": (body(max_tokens=0), "max_tokens"),
    "no answer": (body(n=0), "n"),
    "an empty model": (body(model=""), "model"),
    "a missing field": (msgspec.json.encode({"model": "m"}), "messages"),
    "a tool without a name": (body(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
    "an unknown tool choice": (body(tool_choice="maybe"), "tool_choice"),
}


@pytest.mark.parametrize(("sent", "param"), FIELDS.values(), ids=FIELDS)
def test_exception_handlers_name_an_invalid_field(client: TestClient[Any], sent: bytes, param: str) -> None:
    status, error = answer(client, sent)

    assert (status, error["code"], error["param"]) == (400, "invalid_request", param)
    assert error["message"].startswith(param)


BODIES = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a word": b'"hi"',
    "cut": body()[:-1],
    "not JSON": b"model=m",
    "not UTF-8": body(model="X").replace(b"X", b"\xff"),
    "half a surrogate pair": body(model="X").replace(b"X", b"\\ud83d"),
    "nested without end": b'{"x":' + b"[" * 100_000,
    "tools nested without end": b'{"tools":[{"function":{"name":"f","parameters":{"x":' + b"[" * 100_000,
}


@pytest.mark.parametrize("sent", BODIES.values(), ids=BODIES)
def test_exception_handlers_answer_an_unreadable_body_with_invalid_request(
    client: TestClient[Any], sent: bytes
) -> None:
    status, error = answer(client, sent)

    assert (status, error["code"], error["param"]) == (400, "invalid_request", None)
    assert "Traceback" not in error["message"]


def test_exception_handlers_answer_a_penstock_error_unchanged(client: TestClient[Any]) -> None:
    assert answer(client, body(model="full")) == (
        429,
        {"message": "words", "type": "rate_limit_error", "param": None, "code": "queue_full"},
    )


@pytest.mark.parametrize("model", ["nonsense", "not UTF-8", "deep"])
def test_exception_handlers_answer_internal_decode_errors_with_500(client: TestClient[Any], model: str) -> None:
    status, error = answer(client, body(model=model))

    assert (status, error["code"]) == (500, "internal_error")


def test_exception_handlers_hide_the_text_of_unexpected_errors(client: TestClient[Any]) -> None:
    status, error = answer(client, body(model="explode"))

    assert (status, error["code"], error["message"]) == (500, "internal_error", "internal error")
