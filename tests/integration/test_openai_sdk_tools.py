"""Tool calls, reasoning and structured answers through the official SDK, unchanged."""

from typing import Any

import pytest
from harness.provider_answers import DONE, chunk, delta, finish, stream, usage
from harness.provider_call import Answer
from harness.stack import Stack
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

pytestmark = pytest.mark.asyncio(loop_scope="module")


HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a place",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
            "additionalProperties": False,
        },
    },
}


def tool_delta(**fields: Any) -> bytes:
    return delta(tool_calls=[fields])


TWO_TOOL_CALLS = stream(
    delta(role="assistant", content=None),
    tool_delta(index=0, id="call_a", type="function", function={"name": "weather", "arguments": ""}),
    tool_delta(index=0, function={"arguments": '{"place": '}),
    tool_delta(index=0, function={"arguments": '"Rome"}'}),
    tool_delta(index=1, id="call_b", type="function", function={"name": "weather", "arguments": '{"place": "Oslo"}'}),
    finish("tool_calls"),
    usage(10, 5),
    DONE,
)


# As Gemini's compatible endpoint sends them: whole calls, no index.
UNNUMBERED_TOOL_CALLS = stream(
    tool_delta(id="call_a", type="function", function={"name": "weather", "arguments": '{"place": "Rome"}'}),
    tool_delta(id="call_b", type="function", function={"name": "weather", "arguments": '{"place": "Oslo"}'}),
    finish("tool_calls"),
    DONE,
)


async def test_openai_sdk_reads_tool_calls(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.main.answers(TWO_TOOL_CALLS)
    answer = await sdk.chat.completions.create(model="main", messages=HI, tools=[WEATHER], tool_choice="required")
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or []] == [  # type: ignore[union-attr]
        ("call_a", "weather", '{"place": "Rome"}'),
        ("call_b", "weather", '{"place": "Oslo"}'),
    ]
    sent = stack.main.calls[0].body
    assert sent["tools"] == [WEATHER]
    assert sent["tool_choice"] == "required"


@pytest.mark.parametrize("answer", [TWO_TOOL_CALLS, UNNUMBERED_TOOL_CALLS], ids=["numbered", "unnumbered"])
async def test_openai_sdk_streams_tool_calls_with_an_integer_index(
    stack: Stack, sdk: AsyncOpenAI, answer: Answer
) -> None:
    stack.main.answers(answer)
    calls: dict[int, list[str]] = {}
    async for part in await sdk.chat.completions.create(model="main", messages=HI, tools=[WEATHER], stream=True):
        for call in part.choices[0].delta.tool_calls or []:
            assert type(call.index) is int
            assert call.function is not None
            begun = calls.setdefault(call.index, [])
            begun += [call.id or "", call.function.name or "", call.function.arguments or ""]
    assert {index: "".join(parts) for index, parts in calls.items()} == {
        0: 'call_aweather{"place": "Rome"}',
        1: 'call_bweather{"place": "Oslo"}',
    }


@pytest.mark.parametrize("answer", [TWO_TOOL_CALLS, UNNUMBERED_TOOL_CALLS], ids=["numbered", "unnumbered"])
async def test_openai_sdk_stream_helper_reads_tool_calls(stack: Stack, sdk: AsyncOpenAI, answer: Answer) -> None:
    stack.main.answers(answer)
    async with sdk.chat.completions.stream(model="main", messages=HI, tools=[WEATHER]) as events:
        done = [event async for event in events if event.type == "tool_calls.function.arguments.done"]
        final = await events.get_final_completion()
    assert [(event.index, event.name, event.parsed_arguments) for event in done] == [
        (0, "weather", {"place": "Rome"}),
        (1, "weather", {"place": "Oslo"}),
    ]
    assert [call.id for call in final.choices[0].message.tool_calls or []] == ["call_a", "call_b"]


async def test_openai_sdk_tool_results_reach_the_provider_unchanged(stack: Stack, sdk: AsyncOpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Weather?", "name": "ada"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_a", "content": "sunny"},
    ]
    await sdk.chat.completions.create(model="main", messages=messages, tools=[WEATHER], parallel_tool_calls=False)
    sent = stack.main.calls[0].body
    assert sent["messages"] == messages
    assert sent["parallel_tool_calls"] is False


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_openai_sdk_reads_reasoning(stack: Stack, sdk: AsyncOpenAI, field: str) -> None:
    stack.main.answers(stream(delta(**{field: "Hm, "}), delta(**{field: "well."}), chunk("Yes"), finish(), DONE))
    chunks = [part async for part in await sdk.chat.completions.create(model="main", messages=HI, stream=True)]
    deltas = [part.choices[0].delta.model_dump() for part in chunks]
    assert "".join(delta_.get("reasoning_content") or "" for delta_ in deltas) == "Hm, well."
    assert "".join(delta_["content"] or "" for delta_ in deltas) == "Yes"
    assert deltas[0]["role"] == "assistant"
    stack.main.answers(stream(delta(**{field: "Hm."}), chunk("Yes"), finish(), DONE))
    answer = await sdk.chat.completions.create(model="main", messages=HI)
    assert answer.choices[0].message.model_dump()["reasoning_content"] == "Hm."
    assert answer.choices[0].message.content == "Yes"


class Place(BaseModel):
    name: str


async def test_openai_sdk_parse_returns_a_refusal(stack: Stack, sdk: AsyncOpenAI) -> None:
    refusal = stream(
        delta(role="assistant", content=None, refusal="I "), delta(refusal="won't."), finish(), usage(), DONE
    )
    stack.main.answers(refusal, refusal)
    answer = await sdk.chat.completions.parse(model="main", messages=HI, response_format=Place)
    assert (answer.choices[0].message.parsed, answer.choices[0].message.refusal) == (None, "I won't.")
    async with sdk.chat.completions.stream(model="main", messages=HI, response_format=Place) as streaming:
        final = await streaming.get_final_completion()
    assert (final.choices[0].message.parsed, final.choices[0].message.refusal) == (None, "I won't.")


async def test_openai_sdk_reasoning_and_refusals_reach_the_provider(stack: Stack, sdk: AsyncOpenAI) -> None:
    messages: list[Any] = [
        *HI,
        {"role": "assistant", "content": None, "refusal": "no", "reasoning_content": "hm"},
        {"role": "user", "content": "And now?"},
    ]
    await sdk.chat.completions.create(model="main", messages=messages)
    assert stack.main.calls[0].body["messages"][1] == {
        "role": "assistant",
        "content": None,
        "refusal": "no",
        "reasoning_content": "hm",
    }
