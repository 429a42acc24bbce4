"""Failures of a provider before its first event: the status and the error that the client gets."""

from typing import Any

import pytest
from harness.expect import error_object, error_of
from harness.processes import free_port
from harness.provider_answers import (
    SECRET_BODY,
    embeddings,
    refuse,
    silence,
    status,
    text_stream,
    text_then_wait,
)
from harness.provider_call import Answer
from harness.route_spec import KEY, completion, provider
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINTS = pytest.mark.parametrize(
    ("path", "streaming"),
    [("/api/chat", True), ("/v1/chat/completions", True), ("/v1/chat/completions", False)],
    ids=["simple", "openai", "openai-whole"],
)
STREAMS = pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"], ids=["simple", "openai"])
# Most tests are about one call; the patience is short, yet longer than this machine ever hesitates.
STACK = {"routing": {"retries": 0}, "limits": {"idleTimeoutSeconds": 0.5, "firstTokenTimeoutSeconds": 0.5}}


# Before the first event


@ENDPOINTS
@pytest.mark.parametrize("code", [401, 403])
async def test_provider_refused_key_is_502_without_the_providers_message(
    stack: Stack, path: str, streaming: bool, code: int
) -> None:
    stack.main.answers(status(code))
    error = error_of(await stack.post(path, completion(stream=streaming)), 502, "provider_auth_failed")
    assert error["type"] == "api_error"
    assert len(stack.main.calls) == 1, "a refused key is not tried again"


async def test_provider_missing_key_is_502_without_a_call(stack: Stack) -> None:
    keyless = provider("main", stack.main.base_url, secretKeyRef={"name": "nobody", "key": "set-this"})
    await stack.reconfigure(providers=[keyless])
    error = error_of(await stack.post("/api/chat", completion()), 502, "provider_auth_failed")
    assert "NOBODY" not in error["message"]
    assert not stack.main.calls


@ENDPOINTS
async def test_provider_rate_limit_after_retries_is_429_with_its_retry_after(
    stack: Stack, path: str, streaming: bool
) -> None:
    await stack.reconfigure(routing={"retries": 1})
    stack.main.answers(status(429, {"retry-after-ms": "10"}), status(429, {"retry-after": "7"}))
    error = error_of(await stack.post(path, completion(stream=streaming)), 429, "provider_rate_limited", retry_after=7)
    assert error["type"] == "rate_limit_error"
    assert len(stack.main.calls) == 2


async def test_provider_rate_limit_with_a_long_pause_is_returned_at_once(stack: Stack) -> None:
    stack.main.answers(status(429, {"retry-after": "60"}))
    error_of(await stack.post("/api/chat", completion()), 429, "provider_rate_limited", retry_after=60)
    assert len(stack.main.calls) == 1


@ENDPOINTS
async def test_provider_failure_after_retries_and_fallback_is_502(stack: Stack, path: str, streaming: bool) -> None:
    second = stack.provider.upstream("second")
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url), provider("second", second.base_url, priority=1)],
        routing={"retries": 1},
    )
    stack.main.answers(status(500))
    second.answers(status(503))
    error_of(await stack.post(path, completion(stream=streaming)), 502, "provider_unavailable")
    assert (len(stack.main.calls), len(second.calls)) == (2, 2)


@pytest.mark.parametrize("code", [408, 500, 501, 502, 503, 504, 529])
async def test_provider_server_errors_are_502(stack: Stack, code: int) -> None:
    stack.main.answers(status(code))
    error_of(await stack.post("/api/chat", completion()), 502, "provider_unavailable")


@ENDPOINTS
async def test_provider_closed_connection_is_502(stack: Stack, path: str, streaming: bool) -> None:
    stack.main.answers(refuse)
    error_of(await stack.post(path, completion(stream=streaming)), 502, "provider_unavailable")


@ENDPOINTS
async def test_provider_refused_connection_is_502(stack: Stack, path: str, streaming: bool) -> None:
    await stack.reconfigure(providers=[provider("main", f"http://127.0.0.1:{free_port()}")])
    error_of(await stack.post(path, completion(stream=streaming)), 502, "provider_unavailable")


async def test_provider_unresolved_name_is_502(stack: Stack) -> None:
    await stack.reconfigure(providers=[provider("main", "http://nobody.invalid/v1")])
    response = await stack.post("/api/chat", completion())
    error = error_of(response, 502, "provider_unavailable")
    assert error["message"] == "the provider cannot be reached: its host name does not resolve"
    line = await stack.worker.logged("worker.call_ended", request_id=response.headers["x-request-id"])
    assert line["reason"].startswith("dns_")


@ENDPOINTS
async def test_provider_late_first_token_is_504(stack: Stack, path: str, streaming: bool) -> None:
    stack.main.answers(silence)
    error = error_of(await stack.post(path, completion(stream=streaming)), 504, "first_token_timeout")
    assert error["type"] == "timeout_error"
    await stack.main.calls[0].left(1)


async def test_provider_headers_without_a_token_are_504(stack: Stack) -> None:
    stack.main.answers(text_then_wait())
    error_of(await stack.post("/api/chat", completion()), 504, "first_token_timeout")


async def test_provider_invalid_request_is_400_and_not_retried(stack: Stack) -> None:
    stack.main.answers(status(400))
    error_of(await stack.post("/api/chat", completion()), 400, "provider_rejected")
    assert len(stack.main.calls) == 1


async def test_provider_empty_account_falls_back_to_the_next(stack: Stack) -> None:
    second = stack.provider.upstream("second")
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url), provider("second", second.base_url, priority=1)]
    )
    second.answers(text_stream("second"))
    poor = {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}
    for answer in (status(402), status(400, body=poor)):
        stack.main.answers(answer)
        assert texts_of((await stack.post("/api/chat", completion())).text) == "second"
    await stack.reconfigure(providers=[provider("main", stack.main.base_url)])
    error_of(await stack.post("/api/chat", completion()), 502, "provider_quota_exhausted")


@ENDPOINTS
async def test_provider_message_and_field_reach_the_client_without_key_and_address(
    stack: Stack, path: str, streaming: bool
) -> None:
    logged = f"foo is odd ({KEY} at {stack.main.base_url}/x and 10.0.0.7)"
    stack.main.answers(status(400, body={"error": {"message": logged, "param": "foo", "code": 400}}))
    error = error_of(await stack.post(path, completion(stream=streaming)), 400, "provider_rejected", param="foo")
    assert error["message"] == "foo is odd ([key] at [address] and [address])"
    assert "foo is odd" not in stack.logs()


async def test_provider_message_is_replaced_by_a_route_that_hides_it(stack: Stack) -> None:
    await stack.reconfigure(errorMessages="Hide")
    stack.main.answers(status(400, body={"error": {"message": "foo is odd", "param": "foo"}}))
    error = error_of(await stack.post("/api/chat", completion()), 400, "provider_rejected", param="foo")
    assert error["message"] == "the provider rejected the request as invalid (HTTP 400, foo)"


async def test_provider_without_image_input_is_400_after_one_call(stack: Stack) -> None:
    await stack.reconfigure(routing={"retries": 2})
    blind = {"code": 500, "message": "image input is not supported - hint: mmproj", "type": "server_error"}
    stack.main.answers(status(500, body={"error": blind}))
    error_of(await stack.post("/v1/chat/completions", completion()), 400, "unsupported_by_provider")
    assert len(stack.main.calls) == 1


@pytest.mark.parametrize("wait", ["1e308", "inf", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_provider_retry_after_is_at_most_an_hour(stack: Stack, wait: str) -> None:
    stack.main.answers(status(429, {"retry-after": wait}))
    error_of(await stack.post("/api/chat", completion()), 429, "provider_rate_limited", retry_after=3600)


async def test_provider_context_overflow_has_its_code(stack: Stack) -> None:
    body = {"error": {"message": SECRET_BODY, "code": "context_length_exceeded"}}
    stack.main.answers(status(400, body=body))
    error_of(await stack.post("/api/chat", completion()), 400, "context_length_exceeded")


async def test_provider_unknown_model_is_502(stack: Stack) -> None:
    stack.main.answers(status(404))
    error_of(await stack.post("/api/chat", completion()), 502, "provider_model_not_found")


async def test_provider_redirect_is_not_followed(stack: Stack) -> None:
    elsewhere = stack.provider.upstream("elsewhere")
    stack.main.answers(status(307, {"location": f"{elsewhere.base_url}/chat/completions"}))
    error_of(await stack.post("/api/chat", completion()), 502, "provider_unavailable")
    assert not elsewhere.calls


# Embeddings


@pytest.mark.parametrize(
    ("answer", "status_", "code"),
    [
        (status(401), 502, "provider_auth_failed"),
        (status(500), 502, "provider_unavailable"),
        (status(429, {"retry-after": "3"}), 429, "provider_rate_limited"),
        (silence, 504, "first_token_timeout"),
        (status(200, body={"nonsense": SECRET_BODY}), 502, "provider_stream_broken"),
        (embeddings([]), 502, "provider_stream_broken"),
    ],
    ids=["auth", "500", "429", "silence", "nonsense", "no-vector"],
)
@pytest.mark.parametrize("path", ["/api/embed", "/v1/embeddings"])
async def test_provider_failed_embeddings_have_a_status(
    stack: Stack, path: str, answer: Answer, status_: int, code: str
) -> None:
    await stack.reconfigure(models=[{"name": "vectors", "type": "Embedding"}])
    stack.main.answers(answer)
    body: dict[str, Any] = {"model": "vectors", "text" if path == "/api/embed" else "input": "x"}
    response = await stack.post(path, body)
    error_of(response, status_, code, retry_after=3 if status_ == 429 else None)


async def test_provider_failure_is_logged_with_its_id_and_without_provider_text_or_prompt(stack: Stack) -> None:
    stack.main.answers(status(401))
    response = await stack.post("/api/chat", completion("the secret prompt"))
    request_id = response.headers["x-request-id"]
    assert (await stack.gateway.logged("gateway.request_ended", request_id=request_id))[
        "code"
    ] == "provider_auth_failed"
    assert (await stack.worker.logged("worker.call_ended", request_id=request_id))["code"] == "provider_auth_failed"
    for words in (SECRET_BODY, "the secret prompt", "sk-scripted"):
        assert words not in stack.logs()
    assert error_object(response.text)["code"] == "provider_auth_failed"
