"""Provider answers that are broken: a status before the first event, an error event after it; and their connections."""

import asyncio

import pytest
from harness.expect import error_of, stream_error_of
from harness.provider_answers import (
    SECRET_BODY,
    chunk,
    data,
    delta,
    finish,
    status,
    stream,
    stream_then_cut,
    text_stream,
    text_then_wait,
)
from harness.provider_call import Answer, Call
from harness.route_spec import completion
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


def cut_inside_chunk(at: int) -> Answer:
    """The connection ends after `at` bytes of an event."""

    async def answer(call: Call) -> None:
        await call.head()
        await call.write(chunk("Hel"))
        await call.raw(b"ff\r\n" + chunk("lo")[:at])
        call.close()

    return answer


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
@ENDPOINTS
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


async def test_provider_endless_headers_are_502(stack: Stack) -> None:
    async def endless(call: Call) -> None:
        await call.raw(b"HTTP/1.1 200 OK\r\n")
        for number in range(2000):
            await call.raw(b"x-%d: %b\r\n" % (number, b"y" * 64))

    stack.main.answers(endless)
    error_of(await stack.post("/api/chat", completion()), 502, "provider_stream_broken")
    await stack.main.calls[0].left(1)


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
    "idle": (text_then_wait("Hel"), "idle_timeout"),
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
    stack.main.answers(text_then_wait("Hel"))
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
        await text_stream("one")(call)
        call.close()

    stack.main.answers(last, text_stream("two"))
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
