"""Exceptions and retries of the official SDK after an error."""

import asyncio
import logging
import time

import openai
import pytest
from harness.processes import until
from harness.provider_answers import (
    chunk,
    data,
    refuse,
    silence,
    status,
    stream,
    text_stream,
    text_then_cut,
    text_then_wait,
)
from harness.provider_call import Answer
from harness.stack import Stack
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

pytestmark = pytest.mark.asyncio(loop_scope="module")
STACK = {
    "routing": {"retries": 0},
    "limits": {"firstTokenTimeoutSeconds": 0.5, "idleTimeoutSeconds": 0.5},
}
HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (status(400), openai.BadRequestError, "provider_rejected"),
        (status(401), openai.InternalServerError, "provider_auth_failed"),
        (status(404), openai.InternalServerError, "provider_model_not_found"),
        (status(429, {"retry-after": "7"}), openai.RateLimitError, "provider_rate_limited"),
        (status(500), openai.InternalServerError, "provider_unavailable"),
        (refuse, openai.InternalServerError, "provider_unavailable"),
        (silence, openai.InternalServerError, "first_token_timeout"),
    ],
)
async def test_openai_sdk_raises_the_class_of_a_failed_providers_status(
    stack: Stack, sdk: AsyncOpenAI, answer: Answer, kind: type[openai.APIStatusError], code: str, streaming: bool
) -> None:
    stack.main.answers(answer)
    with pytest.raises(kind) as raised:
        await sdk.chat.completions.create(model="main", messages=HI, stream=streaming)
    assert type(raised.value) is kind
    assert raised.value.code == code
    assert raised.value.request_id is not None
    assert raised.value.request_id.startswith("req_")


async def test_openai_sdk_raises_not_found_for_an_unknown_model(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        await sdk.chat.completions.create(model="nobody", messages=HI)
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("nobody")
    with pytest.raises(openai.NotFoundError):
        await sdk.embeddings.create(model="nobody", input="x")


async def test_openai_sdk_raises_bad_request_with_the_field(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await sdk.chat.completions.create(model="main", messages=HI, temperature=9)
    assert (raised.value.code, raised.value.param) == ("invalid_request", "temperature")
    assert raised.value.type == "invalid_request_error"


async def test_openai_sdk_raises_413_for_a_large_body(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        await sdk.chat.completions.create(model="main", messages=[{"role": "user", "content": "x" * 8_000_000}])
    assert (raised.value.status_code, raised.value.code) == (413, "request_too_large")


async def test_openai_sdk_raises_not_found_for_an_unknown_endpoint(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        await sdk.moderations.create(input="x")
    assert raised.value.code == "not_found"


async def test_openai_sdk_raises_rate_limit_at_a_full_queue_and_internal_server_error_without_a_worker(
    stack: Stack, sdk: AsyncOpenAI
) -> None:
    await stack.reconfigure(
        slots=1, limits={"queueDepth": 2, "queueTimeoutSeconds": 0.5, "firstTokenTimeoutSeconds": 5}
    )
    stack.main.answers(silence)
    holding = asyncio.create_task(sdk.chat.completions.create(model="main", messages=HI))
    await stack.main.called()
    waiting = asyncio.create_task(sdk.chat.completions.create(model="main", messages=HI))
    await until(lambda: _queued(stack, 2), "the second request waits")
    with pytest.raises(openai.RateLimitError) as full:
        await sdk.chat.completions.create(model="main", messages=HI)
    assert full.value.code == "queue_full"
    assert full.value.response.headers["retry-after"] == "2"
    with pytest.raises(openai.InternalServerError) as late:
        await waiting
    assert (late.value.status_code, late.value.code) == (503, "queue_timeout")
    holding.cancel()
    await asyncio.wait([holding])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (text_then_cut("Hel"), "provider_stream_broken"),
        (stream(chunk("Hel")), "provider_stream_broken"),
        (stream(chunk("Hel"), b"data: {nonsense\n\n"), "provider_stream_broken"),
        (stream(chunk("Hel"), data({"error": {"message": "x"}})), "provider_unavailable"),
        (text_then_wait("Hel"), "idle_timeout"),
    ],
    ids=["cut", "no-finish", "malformed", "error-in-200", "idle"],
)
async def test_openai_sdk_raises_for_a_failure_during_a_stream(
    stack: Stack, sdk: AsyncOpenAI, answer: Answer, code: str
) -> None:
    stack.main.answers(answer)
    parts = aiter(await sdk.chat.completions.create(model="main", messages=HI, stream=True))
    assert (await anext(parts)).choices[0].delta.content == "Hel"
    with pytest.raises(openai.APIError) as raised:
        await anext(parts)
    assert raised.value.code == code
    assert raised.value.message


async def test_openai_sdk_stream_helper_raises_for_a_failure_during_a_stream(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(text_then_cut("Hel"))
    with pytest.raises(openai.APIError) as raised:
        async with sdk.chat.completions.stream(model="main", messages=HI) as events:
            await events.get_final_completion()
    assert raised.value.code == "provider_stream_broken"


async def test_openai_sdk_retries_after_the_gateways_retry_after(
    stack: Stack, sdk: AsyncOpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "openai")
    # The route does not retry, so that the client does.
    stack.main.answers(status(429, {"retry-after-ms": "900"}), text_stream("Hello"))
    answer = await sdk.with_options(max_retries=2).chat.completions.create(model="main", messages=HI)
    assert answer.choices[0].message.content == "Hello"
    first, second = stack.main.calls
    assert second.at - first.at >= 0.9
    # As the SDK logs it, because a measured time would include the machine's delays.
    [wait_s] = [line.args[0] for line in caplog.records if line.msg.startswith("Retrying request in") and line.args]
    assert 0.9 <= wait_s <= 1.0


async def test_openai_sdk_does_not_retry_a_permanent_error(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(status(401))
    with pytest.raises(openai.InternalServerError):
        await sdk.with_options(max_retries=2).chat.completions.create(model="main", messages=HI)
    assert len(stack.main.calls) == 1


async def test_openai_sdk_closing_a_stream_ends_the_provider_call(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(text_then_wait("Hel"))
    answer = await sdk.chat.completions.create(model="main", messages=HI, stream=True)
    await anext(aiter(answer))
    await answer.close()
    closed = time.monotonic()
    assert await stack.main.calls[0].left() - closed < 0.25


async def _queued(stack: Stack, count: int) -> bool:
    return await stack.queued() == count
