"""Errors before a provider call: invalid requests, and a queue that cannot take the request."""

import asyncio
import json
from typing import Any

import pytest
from harness.expect import error_of, ids_of
from harness.processes import until
from harness.provider_answers import silence
from harness.route_spec import chat, completion
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT_PATHS = pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])


async def test_gateway_sends_both_request_ids(stack: Stack) -> None:
    response = await stack.post("/api/chat", chat())
    assert response.status_code == 200
    first = ids_of(response)
    assert ids_of(await stack.client.get("/health")) != first


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/v1/chat/completions", "/v1/embeddings"])
@pytest.mark.parametrize("body", [b'{"messages": [', b"", b"\xff\xfe", b"[1]", b"null"])
async def test_gateway_rejects_malformed_json_with_400(stack: Stack, path: str, body: bytes) -> None:
    response = await stack.client.post(path, content=body, headers={"content-type": "application/json"})
    error = error_of(response, 400, "invalid_request")
    assert error["type"] == "invalid_request_error"
    assert not stack.main.calls


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/api/chat", {}, "messages"),
        ("/api/chat", {"messages": []}, "messages"),
        ("/api/chat", {"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
        ("/api/chat", {"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ("/api/chat", {"messages": [{"role": "user", "content": "a"}, {"role": "user"}]}, "messages[1].content"),
        ("/api/generate", {"prompt": ""}, "prompt"),
        ("/api/generate", {"prompt": 1}, "prompt"),
        ("/api/embed", {"text": ""}, "text"),
        ("/v1/chat/completions", chat(), "model"),
        ("/v1/chat/completions", completion(temperature=3), "temperature"),
        ("/v1/chat/completions", completion(max_tokens="many"), "max_tokens"),
        ("/v1/chat/completions", completion(n=0), "n"),
        ("/v1/embeddings", {"model": "main", "input": ""}, "input"),
        ("/v1/embeddings", {"model": "main", "input": "x", "encoding_format": "hex"}, "encoding_format"),
    ],
)
async def test_gateway_rejects_an_invalid_field_by_name(
    stack: Stack, path: str, body: dict[str, Any], param: str
) -> None:
    error = error_of(await stack.post(path, body), 400, "invalid_request", param=param)
    assert error["type"] == "invalid_request_error"
    assert param in error["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", chat(model="nobody")),
        ("/api/generate", {"prompt": "x", "model": "nobody"}),
        ("/api/embed", {"text": "x", "model": "nobody"}),
        ("/v1/chat/completions", chat(model="nobody")),
        ("/v1/embeddings", {"model": "nobody", "input": "x"}),
    ],
)
async def test_gateway_rejects_an_unknown_model_with_404(stack: Stack, path: str, body: dict[str, Any]) -> None:
    error = error_of(await stack.post(path, body), 404, "model_not_found", param="model")
    assert "nobody" in error["message"]


async def test_gateway_describes_an_unknown_model_with_404(stack: Stack) -> None:
    error_of(await stack.client.get("/v1/models/some/body"), 404, "model_not_found", param="model")


async def test_gateway_rejects_embeddings_of_a_chat_model(stack: Stack) -> None:
    response = await stack.post("/v1/embeddings", {"model": "main", "input": "x"})
    error_of(response, 400, "invalid_request", param="model")


async def test_gateway_rejects_embeddings_without_an_embedding_model(stack: Stack) -> None:
    error_of(await stack.post("/api/embed", {"text": "x"}), 404, "model_not_found", param="model")


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/api", "/api/chat/more"])
async def test_gateway_rejects_an_unknown_path_with_404(stack: Stack, path: str) -> None:
    error_of(await stack.client.get(path), 404, "not_found")
    error_of(await stack.post(path, {}), 404, "not_found")


@pytest.mark.parametrize(("method", "path", "allow"), [("GET", "/api/chat", "POST"), ("PUT", "/v1/models", "GET")])
async def test_gateway_rejects_a_wrong_method_with_the_allowed_ones(
    stack: Stack, method: str, path: str, allow: str
) -> None:
    response = await stack.client.request(method, path)
    error_of(response, 405, "method_not_allowed")
    assert allow in response.headers["allow"]


@CHAT_PATHS
async def test_gateway_rejects_a_large_body_with_413(stack: Stack, path: str) -> None:
    response = await stack.post(path, completion("x" * (7 * 1024 * 1024)))
    error_of(response, 413, "request_too_large")


@CHAT_PATHS
async def test_gateway_rejects_a_large_body_without_a_length_with_413(stack: Stack, path: str) -> None:
    async def endless() -> Any:
        yield b'{"messages": ["'
        for _ in range(120):
            yield b"x" * 65_536

    response = await stack.client.post(path, content=endless(), headers={"content-type": "application/json"})
    error_of(response, 413, "request_too_large")


async def test_gateway_passes_a_body_just_under_the_bound(stack: Stack) -> None:
    text = "x" * (7 * 1024 * 1024 - 200)
    response = await stack.post("/v1/chat/completions", completion(text))
    assert response.status_code == 200
    assert stack.main.calls[0].body["messages"][0]["content"] == text


async def test_gateway_rejects_a_request_line_that_is_not_http(stack: Stack) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.gateway_port)
    writer.write(b"NONSENSE\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 400 ")
    assert "x-request-id: req_" in head
    assert "\r\nrequest-id: req_" in head
    assert json.loads(body)["error"]["code"] == "invalid_request"


@CHAT_PATHS
async def test_gateway_rejects_at_a_full_queue_with_retry_after(stack: Stack, path: str) -> None:
    await stack.reconfigure(limits={"queueDepth": 2}, slots=1)
    stack.main.answers(silence)
    waiting = [asyncio.create_task(stack.post(path, completion())) for _ in range(2)]
    await until(lambda: _queued(stack, 2), "two requests are in the queue")
    response = await stack.post(path, completion())
    error = error_of(response, 429, "queue_full", retry_after=2)
    assert error["type"] == "rate_limit_error"
    assert response.headers["x-should-retry"] == "true"
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await until(lambda: _queued(stack, 0), "the queue is empty")


@CHAT_PATHS
async def test_gateway_returns_503_with_retry_after_at_the_queue_timeout(stack: Stack, path: str) -> None:
    await stack.reconfigure(limits={"queueTimeoutSeconds": 0.5}, slots=1)
    stack.main.answers(silence)
    taken = asyncio.create_task(stack.post("/api/chat", chat()))
    await stack.main.called()
    error_of(await stack.post(path, completion()), 503, "queue_timeout", retry_after=5)
    await until(lambda: _queued(stack, 1), "the late request is withdrawn")
    assert len(stack.main.calls) == 1
    taken.cancel()
    await asyncio.wait([taken])
    await until(lambda: _queued(stack, 0), "the queue is empty")


@CHAT_PATHS
async def test_gateway_returns_503_with_the_reason_of_a_route_that_is_not_ready(stack: Stack, path: str) -> None:
    spec_ = stack.spec("main")
    await stack.apply("main", spec_, ready=False, reason="OPENAI_API_KEY is not set")
    await until(lambda: _status(stack, path, 503), "the gateway has the reason")
    error = error_of(await stack.post(path, completion()), 503, "model_not_ready", retry_after=5)
    assert "OPENAI_API_KEY is not set" in error["message"]
    await stack.apply("main", spec_)


async def _status(stack: Stack, path: str, status: int) -> bool:
    return (await stack.post(path, completion())).status_code == status


async def _queued(stack: Stack, count: int) -> bool:
    return await stack.queued() == count
