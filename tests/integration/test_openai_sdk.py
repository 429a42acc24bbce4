"""The official `openai` SDK, unchanged, against the running gateway."""

import asyncio
from typing import Any

import openai
import pytest
from harness.provider_answers import DONE, chunk, embeddings, finish, stream, text_stream, usage
from harness.stack import Stack
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"models": ["main", {"name": "vectors", "type": "Embedding"}]}
HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


async def test_openai_sdk_streams(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(text_stream("Hel", "lo ", "Wörld 🌍"))
    chunks = [chunk async for chunk in await sdk.chat.completions.create(model="main", messages=HI, stream=True)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello Wörld 🌍"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk.model for chunk in chunks} == {"main"}
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks), "usage comes only when it is asked for"


async def test_openai_sdk_reads_a_complete_answer(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(text_stream("Hel", "lo"))
    answer = await sdk.chat.completions.create(model="main", messages=HI)
    assert answer.choices[0].message.content == "Hello"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 2, 5)
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_")


async def test_openai_sdk_sync_client_streams(stack: Stack) -> None:
    stack.main.answers(text_stream("Hel", "lo"))

    def request() -> str:
        with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="anything", max_retries=0) as client:
            chunks = client.chat.completions.create(model="main", messages=HI, stream=True)
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    assert await asyncio.to_thread(request) == "Hello"


async def test_openai_sdk_reads_stream_usage(stack: Stack, sdk: AsyncOpenAI) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 1}}
    stack.main.answers(stream(chunk("Hello"), finish(), usage(7, 2, **details), DONE))
    answer = await sdk.chat.completions.create(
        model="main", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = [chunk async for chunk in answer]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (7, 2, 9)
    assert last.usage.prompt_tokens_details is not None
    assert last.usage.prompt_tokens_details.cached_tokens == 4
    assert last.usage.completion_tokens_details is not None
    assert last.usage.completion_tokens_details.reasoning_tokens == 1


async def test_openai_sdk_images_reach_the_provider(stack: Stack, sdk: AsyncOpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * 100_000}},
                {"type": "image_url", "image_url": {"url": "https://example.org/cat.png", "detail": "low"}},
            ],
        }
    ]
    await sdk.chat.completions.create(model="main", messages=messages)
    assert stack.main.calls[0].body["messages"] == messages


async def test_openai_sdk_sampling_parameters_reach_the_provider(stack: Stack, sdk: AsyncOpenAI) -> None:
    sampling: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["\n", "END"],
        "seed": 42,
        "frequency_penalty": -1.5,
        "presence_penalty": 1.0,
        "logit_bias": {"50256": -100},
        "reasoning_effort": "low",
        "verbosity": "low",
        "service_tier": "auto",
        "metadata": {"team": "blue"},
        "prompt_cache_key": "key",
        "user": "ada",
    }
    await sdk.chat.completions.create(model="main", messages=HI, **sampling, max_completion_tokens=7)
    sent = stack.main.calls[0].body
    assert {name: sent[name] for name in sampling} == sampling
    assert sent["max_completion_tokens"] == 7


async def test_openai_sdk_unknown_parameters_are_accepted(stack: Stack, sdk: AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(
        model="main", messages=HI, store=True, safety_identifier="x", extra_body={"top_k": 3}
    )
    assert answer.choices[0].message.content == "Hello"
    assert len(stack.main.calls) == 1


async def test_openai_sdk_response_format_reaches_the_provider(stack: Stack, sdk: AsyncOpenAI) -> None:
    class Answer(BaseModel):
        capital: str

    stack.main.answers(text_stream('{"capital": ', '"Rome"}'))
    parsed = await sdk.chat.completions.parse(model="main", messages=HI, response_format=Answer)
    assert parsed.choices[0].message.parsed == Answer(capital="Rome")
    sent = stack.main.calls[0].body["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["name"] == "Answer"
    assert sent["json_schema"]["strict"] is True
    assert sent["json_schema"]["schema"]["properties"]["capital"]["type"] == "string"
    await sdk.chat.completions.create(model="main", messages=HI, response_format={"type": "json_object"})
    assert stack.main.calls[1].body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("reason", ["length", "content_filter", "stop"])
async def test_openai_sdk_reads_finish_reasons(stack: Stack, sdk: AsyncOpenAI, reason: str) -> None:
    stack.main.answers(text_stream("Hello", reason=reason))
    answer = await sdk.chat.completions.create(model="main", messages=HI)
    assert answer.choices[0].finish_reason == reason


async def test_openai_sdk_reads_embeddings_in_base64(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(embeddings([[0.5, -1.25, 3.0], [1.0, 2.0, 4.0]], tokens=6))
    answer = await sdk.embeddings.create(model="vectors", input=["cat", "kitten"], dimensions=3)
    assert [item.embedding for item in answer.data] == [[0.5, -1.25, 3.0], [1.0, 2.0, 4.0]]
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.model == "vectors"
    assert answer.usage.prompt_tokens == 6
    sent = stack.main.calls[0].body
    assert (sent["input"], sent["dimensions"]) == (["cat", "kitten"], 3)


async def test_openai_sdk_reads_embeddings_as_floats(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(embeddings([[0.5, -1.25]]))
    answer = await sdk.embeddings.create(model="vectors", input="cat", encoding_format="float")
    assert answer.data[0].embedding == [0.5, -1.25]


async def test_openai_sdk_lists_models(stack: Stack, sdk: AsyncOpenAI) -> None:
    await stack.reconfigure(models=[{"name": "vendor/main-7b", "aliases": ["main"]}])
    models = [model async for model in sdk.models.list()]
    assert {"main", "vendor/main-7b"} < {model.id for model in models}
    assert {model.object for model in models} == {"model"}
    assert (await sdk.models.retrieve("vendor/main-7b")).id == "vendor/main-7b"
    assert (await sdk.models.retrieve("main")).created > 1_700_000_000


async def test_openai_sdk_raw_response_has_the_request_id(stack: Stack, sdk: AsyncOpenAI) -> None:
    raw = await sdk.chat.completions.with_raw_response.create(model="main", messages=HI)
    assert raw.headers["x-request-id"] == raw.headers["request-id"]
    assert stack.main.calls
