"""Rules for every error of the gateway: one shape, its ids, and no text of the implementation."""

import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
from harness.provider_answers import SECRET_BODY
from harness.route_spec import KEY

HERE = str(Path(__file__).parents[2])
LEAKS = ("Traceback", HERE, "/srv/", ".py", "site-packages", "penstock_", "127.0.0.1", SECRET_BODY, KEY)
"""Stack traces, paths, modules, addresses, the provider's body and its key."""


def ids_of(response: httpx.Response) -> str:
    """The request id, which is on every response under both names."""
    request_id = response.headers["x-request-id"]
    assert re.fullmatch(r"req_[0-9a-f]{24}", request_id)
    assert response.headers.get_list("x-request-id") == response.headers.get_list("request-id") == [request_id]
    return str(request_id)


def error_object(body: str | bytes) -> dict[str, Any]:
    """The error in the one shape, checked key by key."""
    text = body.decode() if isinstance(body, bytes) else body
    for leak in LEAKS:
        assert leak not in text, f"{leak!r} leaked"
    value = msgspec.json.decode(text)
    assert set(value) == {"error"}
    error: dict[str, Any] = value["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert error["message"]
    return error


def error_of(
    response: httpx.Response, status: int, code: str, *, param: str | None = None, retry_after: int | None = None
) -> dict[str, Any]:
    """Check status, headers and body of a response that failed before its first byte; returns the error."""
    assert response.status_code == status, response.text
    ids_of(response)
    assert response.headers["content-type"].startswith("application/json")
    error = error_object(response.text)
    assert error["code"] == code
    assert error["param"] == param
    if retry_after is None:
        assert "retry-after" not in response.headers
    else:
        assert response.headers["retry-after"] == str(retry_after)
        assert response.headers["retry-after-ms"] == str(retry_after * 1000)
    return error


def stream_error_of(response: httpx.Response, body: str, code: str) -> list[str]:
    """Check a stream that failed midway, in its dialect: error event, then the end. Returns the events before it."""
    assert response.status_code == 200
    ids_of(response)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "\r" not in body
    assert body.endswith("\n\n")
    *events, last = body.removesuffix("\n\n").split("\n\n")
    if response.request.url.path.startswith("/api/"):
        name, _, data = last.partition("\n")
        assert name == "event: error"
    else:
        data = last
    assert data.startswith("data: ")
    assert error_object(data.removeprefix("data: "))["code"] == code
    assert "data: [DONE]" not in events
    return events
