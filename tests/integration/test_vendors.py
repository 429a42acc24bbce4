"""Azure OpenAI and Cloudflare Workers AI behind the gateway, by the scripted servers of `harness.vendors`.

tests/clients has the vendors' own SDKs read the same servers, so that they are more than our idea of them.
"""

from typing import Any

import pytest
from harness.provider_call import Answer
from harness.route_spec import KEY, completion, provider
from harness.stack import Stack
from harness.vendors import azure_openai, workers_ai
from openai import AsyncOpenAI

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"models": ["main", {"name": "vectors", "type": "Embedding"}]}
LLAMA = "@cf/meta/llama-3.1-8b-instruct"
V1 = azure_openai.azure_openai(deployment="d", key=KEY)
DATED = azure_openai.azure_openai(deployment="d", key=KEY, api_version="2024-10-21")
NATIVE = workers_ai.workers_ai(model=LLAMA, key=KEY)
COMPATIBLE = workers_ai.workers_ai(model=LLAMA, key=KEY, chunks="openai")
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


async def _behind(stack: Stack, answer: Answer, **fields: Any) -> None:
    base_url = stack.main.base_url.removesuffix("/v1")
    suffix = "/openai/v1" if "apiVersion" not in fields else "/openai"
    at = base_url + (suffix if fields["type"] == "AzureOpenAI" else "/accounts/a/ai")
    await stack.reconfigure(providers=[provider("p", at, **fields)], models=STACK["models"])
    stack.main.answers(answer)


AZURE = {"type": "AzureOpenAI", "model": "d"}
WORKERS_AI = {"type": "CloudflareWorkersAI", "model": LLAMA}
CASES = [
    pytest.param(V1, AZURE, azure_openai.TEXT, id="azure-v1"),
    pytest.param(DATED, {**AZURE, "apiVersion": "2024-10-21"}, azure_openai.TEXT, id="azure-dated"),
    pytest.param(NATIVE, WORKERS_AI, workers_ai.TEXT, id="workers-ai"),
    pytest.param(COMPATIBLE, WORKERS_AI, workers_ai.TEXT, id="workers-ai-openai-chunks"),
]


@pytest.mark.parametrize(("answer", "fields", "text"), CASES)
async def test_vendor_streams_its_text_and_usage(
    stack: Stack, sdk: AsyncOpenAI, answer: Answer, fields: dict[str, Any], text: str
) -> None:
    await _behind(stack, answer, **fields)
    options: Any = {"include_usage": True}
    stream = await sdk.chat.completions.create(
        model="main", messages=[{"role": "user", "content": "hi"}], stream=True, stream_options=options
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (7, 3)


@pytest.mark.parametrize(("answer", "fields", "text"), CASES)
async def test_vendor_embeds(stack: Stack, sdk: AsyncOpenAI, answer: Answer, fields: dict[str, Any], text: str) -> None:
    del text
    await _behind(stack, answer, **fields)
    vectors = await sdk.embeddings.create(model="vectors", input=["a", "b"])
    assert [item.embedding for item in vectors.data] == [[0.5, 0.0], [0.5, 1.0]]


async def test_vendor_workers_ai_calls_tools(stack: Stack, sdk: AsyncOpenAI) -> None:
    await _behind(stack, NATIVE, **WORKERS_AI)
    answer = await sdk.chat.completions.create(
        model="main", messages=[{"role": "user", "content": "hi"}], tools=[WEATHER]
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    call: Any = (answer.choices[0].message.tool_calls or [])[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Rome"}')


@pytest.mark.parametrize(
    ("answer", "fields"),
    [(V1, {**AZURE, "model": "other"}), (NATIVE, {**WORKERS_AI, "model": "@cf/other"})],
    ids=["azure", "workers-ai"],
)
async def test_vendor_without_the_model_is_a_clear_error(stack: Stack, answer: Answer, fields: dict[str, Any]) -> None:
    await _behind(stack, answer, **fields)
    response = await stack.post("/v1/chat/completions", completion())
    assert response.json()["error"]["code"] in {"provider_model_not_found", "provider_rejected"}
