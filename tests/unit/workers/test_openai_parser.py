"""Answers of OpenAI and compatible servers, and their events."""

from typing import Any

import pytest
from unit.support.openai_choices import STOP, choice
from unit.support.openai_chunks import DONE, data
from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_worker.providers.openai.parser import ChatParser


def call(index: int | None = None, id_: str | None = None, name: str | None = None, arguments: str = "") -> bytes:
    function = {"arguments": arguments, **({"name": name} if name is not None else {})}
    part: dict[str, Any] = {"function": function}
    if index is not None:
        part["index"] = index
    if id_ is not None:
        part |= {"id": id_, "type": "function"}
    return choice(tool_calls=[part])


USAGE = data(
    {
        "id": "chatcmpl-1",
        "choices": [],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 12,
            "total_tokens": 21,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }
)


COUNTED = UsageReported(9, 12, 4, 5, 0, b'{"prompt_tokens_details":{"audio_tokens":0}}')
END = [Finished("stop")]
ANSWERS: dict[str, tuple[bytes, list[Event]]] = {
    "text with usage": (
        choice(role="assistant", content="", refusal=None)
        + choice(content="Hel")
        + choice(content="lo")
        + STOP
        + USAGE
        + DONE,
        [TextDelta("Hel"), TextDelta("lo"), COUNTED, *END],
    ),
    "a role alone has no event": (
        choice(role="assistant") + choice(content="Hi") + STOP + DONE,
        [TextDelta("Hi"), *END],
    ),
    "a role with its text": (choice(role="assistant", content="Hi") + STOP + DONE, [TextDelta("Hi"), *END]),
    "the last text beside the finish": (choice("length", content="Hi") + DONE, [TextDelta("Hi"), Finished("length")]),
    "text outside ASCII": (choice(content="héllo 🌍") + STOP + DONE, [TextDelta("héllo 🌍"), *END]),
    "content as parts": (
        choice(
            content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}]
        )
        + STOP
        + DONE,
        [TextDelta("Hi"), ReasoningDelta("hm"), *END],
    ),
    "a refusal": (
        choice(role="assistant", content=None, refusal="")
        + choice(content=None, refusal="I ")
        + choice(refusal="won't")
        + STOP
        + DONE,
        [RefusalDelta("I "), RefusalDelta("won't"), *END],
    ),
    "reasoning_content, as DeepSeek names it": (
        choice(role="assistant", content=None, reasoning_content="hm") + choice(content="Hi") + STOP + DONE,
        [ReasoningDelta("hm"), TextDelta("Hi"), *END],
    ),
    "reasoning, as OpenRouter names it": (
        choice(content="", reasoning="hm") + choice(content="Hi") + STOP + DONE,
        [ReasoningDelta("hm"), TextDelta("Hi"), *END],
    ),
    "reasoning under both names is one event": (
        choice(reasoning="hm", reasoning_content="hm") + STOP + DONE,
        [ReasoningDelta("hm"), *END],
    ),
    "two tool calls in pieces": (
        call(0, "call_a", "weather")
        + call(0, arguments='{"city":')
        + call(0, arguments='"Oslo"}')
        + call(1, "call_b", "time")
        + call(1, arguments="{}")
        + choice("tool_calls")
        + DONE,
        [
            ToolCallDelta(0, "call_a", "weather", ""),
            ToolCallDelta(0, None, None, '{"city":'),
            ToolCallDelta(0, None, None, '"Oslo"}'),
            ToolCallDelta(1, "call_b", "time", ""),
            ToolCallDelta(1, None, None, "{}"),
            Finished("tool_calls"),
        ],
    ),
    "whole tool calls without an index, as Gemini sends them": (
        call(None, "a", "weather", "{}") + call(None, "b", "time", "{}") + choice("tool_calls") + DONE,
        [ToolCallDelta(0, "a", "weather", "{}"), ToolCallDelta(1, "b", "time", "{}"), Finished("tool_calls")],
    ),
    "pieces of a tool call without an index": (
        call(None, "a", "weather") + call(None, None, None, '{"a"') + call(None, None, None, ":1}") + STOP + DONE,
        [
            ToolCallDelta(0, "a", "weather", ""),
            ToolCallDelta(0, None, None, '{"a"'),
            ToolCallDelta(0, None, None, ":1}"),
            # The provider sends `stop`; OpenAI's reason for an answer with calls is `tool_calls`, on which agents rely.
            Finished("tool_calls"),
        ],
    ),
    "id and name repeated with every piece": (
        call(0, "a", "weather", '{"a"') + call(0, "a", "weather", ":1}") + choice("tool_calls") + DONE,
        [ToolCallDelta(0, "a", "weather", '{"a"'), ToolCallDelta(0, None, None, ":1}"), Finished("tool_calls")],
    ),
    "two calls in one delta": (
        choice(
            tool_calls=[
                {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": None}},
            ]
        )
        + choice("tool_calls")
        + DONE,
        [
            ToolCallDelta(0, "a", "f", "{}"),
            ToolCallDelta(1, "b", "g", ""),
            ToolCallDelta(1, None, None, "{}"),
            Finished("tool_calls"),
        ],
    ),
    "Azure's first chunk without choices": (
        data({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}) + choice(content="Hi") + STOP + DONE,
        [AnswerFields("answer", b'{"prompt_filter_results":[{"prompt_index":0}]}'), TextDelta("Hi"), *END],
    ),
    "usage on every chunk, where the last one counts": (
        data({"choices": [{"delta": {"content": "Hi"}}], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})
        + data(
            {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
        )
        + DONE,
        [TextDelta("Hi"), UsageReported(9, 2), *END],
    ),
    "usage without its details": (
        choice(content="Hi")
        + STOP
        + data({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None}})
        + DONE,
        [TextDelta("Hi"), UsageReported(9, 1), *END],
    ),
    "details without their numbers": (
        choice(content="Hi")
        + STOP
        + data({"choices": [], "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": None}}})
        + DONE,
        # An answer of text has output: its 0 is estimated.
        [TextDelta("Hi"), UsageReported(9, 1, estimated=True), *END],
    ),
    "no [DONE]": (choice(content="Hi") + STOP, [TextDelta("Hi"), *END]),
    "usage and no [DONE]": (choice(content="Hi") + STOP + USAGE, [TextDelta("Hi"), COUNTED, *END]),
    "an empty finish_reason on every chunk": (choice("", content="Hi") + STOP + DONE, [TextDelta("Hi"), *END]),
    "comments between the events": (
        b": OPENROUTER PROCESSING\n\n" + choice(content="Hi") + b": ping\n\n" + STOP + DONE,
        [TextDelta("Hi"), *END],
    ),
    "CRLF": ((choice(content="Hi") + STOP + DONE).replace(b"\n", b"\r\n"), [TextDelta("Hi"), *END]),
    "an empty answer that is whole": (STOP + DONE, END),
    "only choices and delta": (
        data({"choices": [{"delta": {"content": "Hi"}}]}) + STOP + DONE,
        [TextDelta("Hi"), *END],
    ),
    "a null error on every chunk": (
        data({"choices": [{"delta": {"content": "Hi"}}], "error": None}) + STOP + DONE,
        [TextDelta("Hi"), *END],
    ),
    "nulls where lists and numbers could be": (
        choice(content="Hi")
        + STOP
        + data({"choices": None, "usage": {"prompt_tokens": None, "completion_tokens": None}})
        + DONE,
        # No count: a request has input.
        [TextDelta("Hi"), *END],
    ),
    "empty data as a keep-alive": (
        b"data:\n\n" + choice(content="Hi") + b"data: \n\n" + STOP + DONE,
        [TextDelta("Hi"), *END],
    ),
    "chatter after [DONE]": (
        choice(content="Hi") + STOP + DONE + choice(content="more") + STOP + DONE,
        [TextDelta("Hi"), *END],
    ),
}


@pytest.mark.parametrize(("stream", "events"), ANSWERS.values(), ids=ANSWERS)
def test_chat_parser_maps_an_answer_to_events(stream: bytes, events: list[Event]) -> None:
    assert parse(ChatParser(), stream) == (events, None)


@pytest.mark.parametrize(("stream", "events"), ANSWERS.values(), ids=ANSWERS)
def test_chat_parser_maps_an_answer_cut_anywhere_to_the_same_events(stream: bytes, events: list[Event]) -> None:
    assert_parsed_however_cut(ChatParser, stream, (events, None))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("function_call", "tool_calls"),
        ("model_length", "length"),
        ("max_tokens", "length"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("made_up", "stop"),
    ],
)
def test_chat_parser_maps_a_finish_reason_to_one_of_four(given: str, reason: FinishReason) -> None:
    calls = call(0, "a", "f", "{}") if reason == "tool_calls" else b""

    assert parse(ChatParser(), calls + choice(given) + DONE)[0][-1] == Finished(reason)


def test_chat_parser_completes_an_answer_at_done() -> None:
    parser = ChatParser()

    parser.feed(choice(content="Hi") + STOP)
    assert not parser.complete
    parser.feed(DONE)
    assert parser.complete
