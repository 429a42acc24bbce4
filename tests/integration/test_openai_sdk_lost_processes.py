"""The official SDK, unchanged, while processes are killed: it raises, and never returns a truncated answer."""

import asyncio
from collections.abc import AsyncIterator

import openai
import pytest
import pytest_asyncio
from harness.interrupted_streams import without_broker
from harness.processes import until
from harness.provider_answers import text_then_wait
from harness.stack import Stack
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam

pytestmark = pytest.mark.asyncio(loop_scope="module")

HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


@pytest_asyncio.fixture(loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(stack: Stack) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="any", max_retries=0) as made:
        yield made


async def test_openai_sdk_raises_a_retryable_internal_server_error_without_a_broker(
    stack: Stack, sdk: AsyncOpenAI
) -> None:
    stack.nats.kill()
    await without_broker(stack)
    for streaming in (False, True):
        with pytest.raises(openai.InternalServerError) as raised:
            await sdk.chat.completions.create(model="main", messages=HI, stream=streaming)
        assert (raised.value.status_code, raised.value.code) == (503, "broker_unavailable")
        assert raised.value.response.headers["retry-after"] == "1"
        assert raised.value.response.headers["x-should-retry"] == "true"


async def test_openai_sdk_raises_in_the_stream_when_the_worker_is_lost(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(text_then_wait("Hel"))
    parts = aiter(await sdk.chat.completions.create(model="main", messages=HI, stream=True))
    assert (await anext(parts)).choices[0].delta.content == "Hel"
    stack.worker.kill()
    with pytest.raises(openai.APIError) as raised:
        await anext(parts)
    assert raised.value.code == "worker_lost"


async def test_openai_sdk_raises_for_a_complete_answer_when_the_worker_is_lost(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(text_then_wait("Hel"))
    pending = asyncio.create_task(sdk.chat.completions.create(model="main", messages=HI))
    await stack.main.called()

    async def begun() -> bool:
        return await stack.queued() == 0

    await until(begun, "the worker has received the first token")
    stack.worker.kill()
    with pytest.raises(openai.InternalServerError) as raised:
        await pending
    assert (raised.value.status_code, raised.value.code) == (502, "worker_lost")
