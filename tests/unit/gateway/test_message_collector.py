"""A whole message of Anthropic's Messages API: the joined deltas of its stream."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import (
    Event,
    Failed,
    Finished,
    NativeEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.output.answer_size import PIECE_BYTES, AnswerSize
from penstock_gateway.streaming.renderers.anthropic.collector import MessageCollector
from penstock_gateway.streaming.renderers.anthropic.count_collector import CountCollector
from penstock_gateway.streaming.renderers.anthropic.message_events import MessageEvents
from penstock_gateway.streaming.renderers.anthropic.options import MessageOptions


def collect(events: Iterable[Event]) -> dict[str, Any]:
    collector = MessageCollector(MessageEvents("req_1", "fast", MessageOptions(25)))
    for event in events:
        assert collector.render(event) == b""
    return collector.message()


def native(name: str, index: int = -1, length: int = 0, /, **fields: Any) -> NativeEvent:
    return NativeEvent(name, json.dumps({"type": name, **fields}).encode(), length, index)


def start(index: int, /, **fields: Any) -> NativeEvent:
    place = index if fields["type"] == "text" else -1
    return native("content_block_start", place, index=index, content_block=fields)


def delta(index: int, **fields: Any) -> NativeEvent:
    return native("content_block_delta", index=index, delta=fields)


def test_message_collector_joins_text_thinking_and_calls() -> None:
    message = collect(
        [
            ReasoningDelta("so "),
            ReasoningDelta("it is"),
            TextDelta("Hel"),
            TextDelta("lo"),
            ToolCallDelta(0, "c", "f", ""),
            ToolCallDelta(0, None, None, '{"a":'),
            ToolCallDelta(0, None, None, "1}"),
            UsageReported(9, 3),
            Finished("tool_calls"),
        ]
    )

    assert message["content"] == [
        {"type": "thinking", "thinking": "so it is", "signature": "penstock"},
        {"type": "text", "text": "Hello", "citations": None},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
    ]
    assert (message["stop_reason"], message["stop_sequence"], message["model"]) == ("tool_use", None, "fast")
    assert message["usage"].items() >= {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 0}.items()


def test_message_collector_keeps_everything_that_a_provider_of_the_same_api_sent() -> None:
    citation = {"type": "char_location", "cited_text": "x", "start_char_index": 0}
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "e"}]}
    usage = {"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 4, "speed": "fast"}
    message = collect(
        [
            native("message_start", message={"id": "msg_p", "model": "p", "usage": usage, "novel": [1]}),
            start(0, type="thinking", thinking="", signature=""),
            delta(0, type="thinking_delta", thinking="hm"),
            delta(0, type="signature_delta", signature="c2ln"),
            native("content_block_stop", index=0),
            start(1, type="redacted_thinking", data="zzz"),
            start(2, type="server_tool_use", id="s", name="web_search", input={}),
            delta(2, type="input_json_delta", partial_json='{"query":'),
            delta(2, type="input_json_delta", partial_json='"rain"}'),
            start(3, **result),
            start(4, type="text", text="", citations=[]),
            TextDelta("It "),
            TextDelta("rains."),
            delta(4, type="citations_delta", citation=citation),
            start(5, type="compaction", content=None),
            delta(5, type="compaction_delta", content="short", encrypted="y"),
            native(
                "message_delta",
                delta={"stop_reason": "pause_turn", "stop_sequence": None, "container": {"id": "c"}},
                usage={"output_tokens": 40, "server_tool_use": {"web_search_requests": 1}},
                context_management={"applied_edits": []},
            ),
            native("message_stop"),
            UsageReported(13, 40, 4),
            Finished("stop"),
        ]
    )

    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "zzz"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "rain"}},
        result,
        {"type": "text", "text": "It rains.", "citations": [citation]},
        {"type": "compaction", "content": "short", "encrypted": "y"},
    ]
    assert (message["id"], message["stop_reason"], message["container"]) == ("msg_p", "pause_turn", {"id": "c"})
    assert (message["novel"], message["context_management"]) == ([1], {"applied_edits": []})
    assert (
        message["usage"].items()
        >= {
            "input_tokens": 9,
            "output_tokens": 40,
            "cache_read_input_tokens": 4,
            "speed": "fast",
            "server_tool_use": {"web_search_requests": 1},
        }.items()
    )


@pytest.mark.parametrize(
    ("arguments", "input_"),
    [
        ("", {}),
        ('{"a":', '{"a":'),
        ("[1]", "[1]"),
        ('{"a":123456789012345678901234567890}', {"a": 1.2345678901234568e29}),
    ],
)
def test_message_collector_keeps_arguments_that_are_no_object(arguments: str, input_: object) -> None:
    [block] = collect([ToolCallDelta(0, "c", "f", arguments), Finished("length")])["content"]

    assert block["input"] == input_


@given(st.lists(st.text(min_size=1)))
def test_message_collector_text_is_what_was_sent(pieces: list[str]) -> None:
    message = collect([*map(TextDelta, pieces), Finished("stop")])

    assert "".join(block["text"] for block in message["content"]) == "".join(pieces)


def test_message_collector_raises_the_failure_of_the_stream() -> None:
    with pytest.raises(PenstockError) as error:
        collect([TextDelta("a"), Failed(ErrorDetail("idle_timeout", "silent"))])

    assert error.value.code == "idle_timeout"


def test_count_collector_raises_without_a_count() -> None:
    with pytest.raises(PenstockError):
        CountCollector().count()


def test_answer_size_counts_a_native_events_memory_and_charges_only_the_models_output() -> None:
    size = AnswerSize(1000)

    charged = size.add(native("content_block_start", index=0, content_block={"type": "x", "data": "z" * 500}))

    assert (charged, size.deltas, size.text_length) == (0, 0, 0)
    assert size.exceeded() is None
    assert size.add(NativeEvent("content_block_delta", b"x" * (500 - PIECE_BYTES), 7)) == 7
    assert (size.deltas, size.text_length) == (1, 7)
    assert size.exceeded() is not None
