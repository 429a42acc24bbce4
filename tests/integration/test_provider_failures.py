"""What goes wrong at the provider, and what the client gets: a status before the first event, an event after it."""

import asyncio
from typing import Any

import pytest
from harness.expect import error_object, error_of, stream_error_of
from harness.processes import free_port
from harness.provider import (
    SECRET_BODY,
    Answer,
    Call,
    chunk,
    data,
    delta,
    embeddings,
    finish,
    refuse,
    say,
    say_then_wait,
    silence,
    status,
    stream,
    stream_then_cut,
)
from harness.route_spec import KEY, completion, provider
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOORS = pytest.mark.parametrize(
    ("path", "streaming"),
    [("/api/chat", True), ("/v1/chat/completions", True), ("/v1/chat/completions", False)],
    ids=["simple", "openai", "openai-whole"],
)
STREAMS = pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"], ids=["simple", "openai"])
# Most tests are about one call; the patience is short, yet longer than this machine ever hesitates.
STACK = {"routing": {"retries": 0}, "limits": {"idleTimeoutSeconds": 0.5, "firstTokenTimeoutSeconds": 0.5}}


def cut_inside_chunk(at: int) -> Answer:
    """The connection ends after `at` bytes of an event."""

    async def answer(call: Call) -> None:
        await call.head()
        await call.write(chunk("Hel"))
        await call.raw(b"ff\r\n" + chunk("lo")[:at])
        call.close()

    return answer


# Before the first event


@DOORS
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


@DOORS
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


@DOORS
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


@DOORS
async def test_provider_closed_connection_is_502(stack: Stack, path: str, streaming: bool) -> None:
    stack.main.answers(refuse)
    error_of(await stack.post(path, completion(stream=streaming)), 502, "provider_unavailable")


@DOORS
async def test_provider_refused_connection_is_502(stack: Stack, path: str, streaming: bool) -> None:
    await stack.reconfigure(providers=[provider("main", f"http://127.0.0.1:{free_port()}")])
    error_of(await stack.post(path, completion(stream=streaming)), 502, "provider_unavailable")


async def test_provider_unresolved_name_is_502(stack: Stack) -> None:
    await stack.reconfigure(providers=[provider("main", "http://nobody.invalid/v1")])
    response = await stack.post("/api/chat", completion())
    error = error_of(response, 502, "provider_unavailable")
    assert error["message"] == "the provider cannot be reached: its host name does not resolve"
    line = await stack.worker.said("worker.call_ended", request_id=response.headers["x-request-id"])
    assert line["reason"].startswith("dns_")


@DOORS
async def test_provider_late_first_token_is_504(stack: Stack, path: str, streaming: bool) -> None:
    stack.main.answers(silence)
    error = error_of(await stack.post(path, completion(stream=streaming)), 504, "first_token_timeout")
    assert error["type"] == "timeout_error"
    await stack.main.calls[0].left(1)


async def test_provider_headers_without_a_token_are_504(stack: Stack) -> None:
    stack.main.answers(say_then_wait())
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
    second.answers(say("second"))
    poor = {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}
    for answer in (status(402), status(400, body=poor)):
        stack.main.answers(answer)
        assert texts_of((await stack.post("/api/chat", completion())).text) == "second"
    await stack.reconfigure(providers=[provider("main", stack.main.base_url)])
    error_of(await stack.post("/api/chat", completion()), 502, "provider_quota_exhausted")


@DOORS
async def test_provider_message_and_field_reach_the_client_without_key_and_address(
    stack: Stack, path: str, streaming: bool
) -> None:
    said = f"foo is odd ({KEY} at {stack.main.base_url}/x and 10.0.0.7)"
    stack.main.answers(status(400, body={"error": {"message": said, "param": "foo", "code": 400}}))
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


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (stream(), "provider_stream_broken"),
        (stream(b"data: [DONE]\n\n"), "provider_stream_broken"),
        (stream(b"data: {not json\n\n"), "provider_stream_broken"),
        (stream(b"<html>" + SECRET_BODY.encode()), "provider_stream_broken"),
        (stream(data({"error": {"message": SECRET_BODY}})), "provider_unavailable"),
        (
            stream(data({"error": {"message": SECRET_BODY, "code": "context_length_exceeded"}})),
            "context_length_exceeded",
        ),
        (stream_then_cut(b": hello\n\n"), "provider_stream_broken"),
    ],
    ids=["empty", "done", "not-json", "html", "error-in-200", "known-error-in-200", "cut"],
)
@DOORS
async def test_provider_broken_answer_before_the_first_event_has_a_status(
    stack: Stack, path: str, streaming: bool, answer: Answer, code: str
) -> None:
    stack.main.answers(answer)
    response = await stack.post(path, completion(stream=streaming))
    error_of(response, 400 if code == "context_length_exceeded" else 502, code)


async def test_provider_unrequested_compression_is_502(stack: Stack) -> None:
    async def compressed(call: Call) -> None:
        assert call.headers["accept-encoding"] == "identity"
        await call.head(200, {"content-encoding": "gzip"})
        await call.write(b"\x1f\x8b")
        await call.end()

    stack.main.answers(compressed)
    error_of(await stack.post("/api/chat", completion()), 502, "provider_unavailable")


async def test_provider_answer_that_is_not_http_is_502(stack: Stack) -> None:
    async def nonsense(call: Call) -> None:
        await call.raw(b"SSH-2.0-OpenSSH_9.6\r\n")

    stack.main.answers(nonsense)
    error_of(await stack.post("/api/chat", completion()), 502, "provider_stream_broken")


async def test_provider_redirect_is_not_followed(stack: Stack) -> None:
    elsewhere = stack.provider.upstream("elsewhere")
    stack.main.answers(status(307, {"location": f"{elsewhere.base_url}/chat/completions"}))
    error_of(await stack.post("/api/chat", completion()), 502, "provider_unavailable")
    assert not elsewhere.calls


async def test_provider_endless_headers_are_502(stack: Stack) -> None:
    async def endless(call: Call) -> None:
        await call.raw(b"HTTP/1.1 200 OK\r\n")
        for number in range(2000):
            await call.raw(b"x-%d: %b\r\n" % (number, b"y" * 64))

    stack.main.answers(endless)
    error_of(await stack.post("/api/chat", completion()), 502, "provider_stream_broken")
    await stack.main.calls[0].left(1)


# Midway

BROKEN: dict[str, tuple[Answer, str]] = {
    "cut-between-events": (stream_then_cut(chunk("Hel")), "provider_stream_broken"),
    "cut-inside-an-event": (cut_inside_chunk(9), "provider_stream_broken"),
    "malformed": (stream(chunk("Hel"), b'data: {"choices": [{"del\n\n'), "provider_stream_broken"),
    "malformed-chunk-length": (
        stream_then_cut(chunk("Hel") + b"\r\nnonsense\r\n"),
        "provider_stream_broken",
    ),
    "no-finish": (stream(chunk("Hel")), "provider_stream_broken"),
    "done-without-finish": (stream(chunk("Hel"), b"data: [DONE]\n\n"), "provider_stream_broken"),
    "error-in-200": (stream(chunk("Hel"), data({"error": {"message": SECRET_BODY}})), "provider_unavailable"),
    "flat-error-in-200": (
        stream(chunk("Hel"), data({"object": "error", "message": SECRET_BODY})),
        "provider_unavailable",
    ),
    "rate-limit-in-200": (
        stream(chunk("Hel"), data({"error": {"message": SECRET_BODY, "code": "rate_limit_exceeded"}})),
        "provider_rate_limited",
    ),
    "idle": (say_then_wait("Hel"), "idle_timeout"),
}
broken = pytest.mark.parametrize("kind", BROKEN)


@broken
@STREAMS
async def test_provider_stream_that_breaks_ends_with_the_dialects_error_event(
    stack: Stack, path: str, kind: str
) -> None:
    answer, code = BROKEN[kind]
    stack.main.answers(answer)
    response = await stack.post(path, completion(stream=True))
    events = stream_error_of(response, response.text, code)
    assert len(events) == 1
    assert texts_of(events[0]) == "Hel"
    assert len(stack.main.calls) == 1, "what has begun is not run again"


@STREAMS
async def test_provider_connection_reset_ends_the_stream_with_an_error_event(stack: Stack, path: str) -> None:
    stack.main.answers(say_then_wait("Hel"))
    async with stack.stream(path, completion(stream=True)) as stream_:
        await stream_.event()
        stack.main.calls[0].cut()
        stream_error_of(stream_.response, await stream_.rest(), "provider_stream_broken")


@broken
async def test_provider_broken_complete_answer_is_an_error(stack: Stack, kind: str) -> None:
    answer, code = BROKEN[kind]
    stack.main.answers(answer)
    statuses = {"idle_timeout": 504, "provider_rate_limited": 429}
    response = await stack.post("/v1/chat/completions", completion())
    error_of(response, statuses.get(code, 502), code)
    assert len(stack.main.calls) == 1


@STREAMS
async def test_provider_stream_beyond_the_total_timeout_ends_with_an_error_event(stack: Stack, path: str) -> None:
    await stack.reconfigure(
        limits={"requestTimeoutSeconds": 0.7, "firstTokenTimeoutSeconds": 0.5, "idleTimeoutSeconds": 0.5}
    )

    async def drip(call: Call) -> None:
        await call.head()
        while not call.gone.is_set():
            await call.write(chunk("drip "))
            await asyncio.sleep(0.05)

    stack.main.answers(drip)
    response = await stack.post(path, completion(stream=True))
    stream_error_of(response, response.text, "request_timeout")
    await stack.main.calls[0].left(1)


async def test_provider_open_connection_after_done_does_not_delay_the_client(stack: Stack) -> None:
    async def unclosed(call: Call) -> None:
        await call.head()
        await call.write(chunk("Hello") + finish() + b"data: [DONE]\n\n")

    stack.main.answers(unclosed)
    response = await stack.post("/api/chat", completion())
    assert response.text.endswith("data: [DONE]\n\n")
    assert stack.main.open == 1, "the answer came before the provider's connection was given up"
    await stack.main.calls[0].left(4)


@pytest.mark.parametrize(
    "answer",
    [
        stream(chunk("Hello"), finish()),
        stream((chunk("Hello") + finish() + b"data: [DONE]\n\n").replace(b"\n", b"\r\n")),
        stream(b": comment\n\n", b"event: x\nid: 3\n" + chunk("Hello"), finish()),
        stream(*(bytes([byte]) for byte in chunk("Hello") + finish())),
        stream(delta(role="assistant", content=""), chunk("Hello"), finish("eos")),
    ],
    ids=["no-done", "crlf", "decorated", "byte-by-byte", "role-first"],
)
async def test_provider_unusual_complete_answer_is_complete(stack: Stack, answer: Answer) -> None:
    stack.main.answers(answer)
    response = await stack.post("/api/chat", completion())
    assert response.text == 'data: {"text":"Hello"}\n\ndata: [DONE]\n\n'


async def test_provider_body_that_ends_with_its_connection_is_complete(stack: Stack) -> None:
    async def until_close(call: Call) -> None:
        await call.head(length=-1)
        await call.write(chunk("Hello") + finish() + b"data: [DONE]\n\n")
        call.close()

    stack.main.answers(until_close)
    assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"


async def test_provider_pooled_connection_that_closed_is_replaced(stack: Stack) -> None:
    async def last(call: Call) -> None:
        await say("one")(call)
        call.close()

    stack.main.answers(last, say("two"))
    assert texts_of((await stack.post("/api/chat", completion())).text) == "one"
    assert texts_of((await stack.post("/api/chat", completion())).text) == "two"
    assert len(stack.main.calls) == 2


async def test_provider_connection_is_reused_after_a_complete_answer(stack: Stack) -> None:
    for _ in range(3):
        assert (await stack.post("/api/chat", completion())).status_code == 200
    assert len({call.connection_number for call in stack.main.calls}) == 1


async def test_provider_connection_of_a_failed_call_is_not_reused(stack: Stack) -> None:
    # With time for all of them, as 200 calls at once may keep a busy machine for longer than this module's timeouts.
    await stack.reconfigure(limits={})
    stack.main.answers(status(429, {"retry-after": "60"}))
    responses = await asyncio.gather(*(stack.post("/api/chat", completion()) for _ in range(200)))
    for response in responses:
        error_of(response, 429, "provider_rate_limited", retry_after=60)
    assert len(stack.main.calls) == 200


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
    assert (await stack.gateway.said("gateway.request_ended", request_id=request_id))["code"] == "provider_auth_failed"
    assert (await stack.worker.said("worker.call_ended", request_id=request_id))["code"] == "provider_auth_failed"
    for words in (SECRET_BODY, "the secret prompt", "sk-scripted"):
        assert words not in stack.logs()
    assert error_object(response.text)["code"] == "provider_auth_failed"
