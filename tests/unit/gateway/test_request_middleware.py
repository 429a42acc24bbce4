"""The answer when the app, an exception handler or the encoding of its response raises."""

from typing import Any

import msgspec
import pytest
from litestar.types import Message, Receive, Scope, Send
from opentelemetry.trace import NoOpTracer

from penstock_gateway.http.request_middleware import RequestMiddleware

SCOPE: dict[str, Any] = {"type": "http", "method": "POST", "path": "/v1/x", "headers": []}


async def receive() -> Any:
    return {"type": "http.disconnect"}


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send
    raise OverflowError("cannot convert float infinity to integer, a secret of ours")


async def raises_midway(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise OverflowError("a secret of ours")


async def test_request_middleware_answers_exceptions_in_the_error_shape() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await RequestMiddleware(raises, NoOpTracer())({**SCOPE}, receive, send)  # type: ignore[arg-type]

    start, body = sent
    headers = dict(start["headers"])  # type: ignore[typeddict-item]
    assert start["status"] == 500  # type: ignore[typeddict-item]
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"x-request-id"] == headers[b"request-id"] != b""
    assert msgspec.json.decode(body["body"]) == {  # type: ignore[typeddict-item]
        "error": {"message": "internal error", "type": "api_error", "param": None, "code": "internal_error"}
    }


async def test_request_middleware_raises_after_the_start_of_a_response() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(OverflowError):
        await RequestMiddleware(raises_midway, NoOpTracer())({**SCOPE}, receive, send)  # type: ignore[arg-type]
    assert len(sent) == 1
