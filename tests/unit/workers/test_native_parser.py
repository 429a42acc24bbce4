"""Answers of Anthropic for clients of its own API: as they came, with what a client's SDK requires."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.operations import chat, messages
from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.stream.events import Event, Finished, NativeEvent, TextDelta, UsageReported
from penstock_worker.providers.answer.answer_fields import FIELDS_BYTES_MAX
from penstock_worker.providers.anthropic.adapter import AnthropicAdapter
from penstock_worker.providers.anthropic.native_parser import NativeParser


def event(type_: str, **fields: Any) -> dict[str, Any]:
    return {"type": type_, **fields}


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in events)


def start(**usage: Any) -> dict[str, Any]:
    message = {"id": "msg_1", "content": [], "usage": {"input_tokens": 10, "output_tokens": 1, **usage}}
    return event("message_start", message=message)


def block(index: int, **fields: Any) -> dict[str, Any]:
    return event("content_block_start", index=index, content_block=fields)


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return event("content_block_delta", index=index, delta=fields)


def text(index: int, words: str) -> dict[str, Any]:
    return delta(index, type="text_delta", text=words)


def stop(index: int) -> dict[str, Any]:
    return event("content_block_stop", index=index)


def end(reason: str = "end_turn") -> list[dict[str, Any]]:
    return [
        event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 7}),
        event("message_stop"),
    ]


TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}
HELLO = [start(), block(0, **TEXT), text(0, "Hel"), text(0, "lo"), stop(0), *end()]


def seen(*events: dict[str, Any]) -> list[Any]:
    """The events as a client reads them: texts, and the objects of the other events."""
    heard, code = parse(NativeParser(), sse(*events))
    assert code is None
    return [shown(one) for one in heard if isinstance(one, TextDelta | NativeEvent)]


def shown(one: Event) -> Any:
    if isinstance(one, TextDelta):
        return one.text
    assert isinstance(one, NativeEvent)
    found = json.loads(one.data)
    assert found["type"] == one.name
    return found


def test_native_parser_passes_text_as_text_and_everything_else_as_it_came() -> None:
    assert seen(*HELLO) == [start(), block(0, **TEXT), "Hel", "lo", stop(0), *end()]


def test_native_parser_ends_with_the_count_and_the_reason() -> None:
    events, _ = parse(NativeParser(), sse(start(cache_read_input_tokens=5, cache_creation_input_tokens=2), *HELLO[1:]))

    assert events[-2:] == [UsageReported(17, 7, 5, 0, 2), Finished("stop")]


def test_native_parser_reads_the_same_however_it_is_cut() -> None:
    stream = sse(*HELLO)

    assert_parsed_however_cut(NativeParser, stream, parse(NativeParser(), stream))


KEPT = [
    start(novel=[1]),
    block(0, **THINKING),
    delta(0, type="thinking_delta", thinking="hm"),
    delta(0, type="signature_delta", signature="c2ln"),
    stop(0),
    block(1, type="redacted_thinking", data="zzz"),
    stop(1),
    block(2, type="server_tool_use", id="s", name="web_search", input={}),
    delta(2, type="input_json_delta", partial_json='{"query":"rain"}'),
    stop(2),
    block(3, type="web_search_tool_result", tool_use_id="s", content=[{"encrypted_content": "e"}]),
    stop(3),
    block(4, type="hologram", depth=123456789012345678901234567890),
    delta(4, type="hologram_delta", light=[1, {"z": None}]),
    stop(4),
    event("novel_event", data={"a": 1}),
    *end("pause_turn"),
]


def test_native_parser_loses_no_block_no_delta_and_no_event() -> None:
    heard, _ = parse(NativeParser(), sse(*KEPT))

    assert [shown(one) for one in heard[:-2]] == KEPT
    assert [one.data for one in heard[:-2] if isinstance(one, NativeEvent)] == [
        json.dumps(one).encode() for one in KEPT
    ]
    assert heard[-1] == Finished("stop")


def test_native_parser_keeps_a_text_with_further_fields_whole() -> None:
    odd = delta(0, type="text_delta", text="a", confidence=0.5)

    assert seen(start(), block(0, **TEXT), odd, text(0, "b"), stop(0), *end())[2:4] == [odd, "b"]


def test_native_parser_keeps_text_of_a_block_that_is_not_the_last_one() -> None:
    found = seen(start(), block(0, **TEXT), block(1, **TEXT), text(0, "a"), text(1, "b"), stop(0), stop(1), *end())

    assert found[3:5] == [text(0, "a"), "b"]


def test_native_parser_counts_the_models_output_only() -> None:
    heard, _ = parse(NativeParser(), sse(*KEPT))
    lengths = {
        one.name + str(json.loads(one.data).get("index", "")): one.length
        for one in heard
        if isinstance(one, NativeEvent)
    }

    assert lengths["content_block_start3"] == 0
    assert sum(one.length for one in heard if isinstance(one, NativeEvent)) == len('hm{"query":"rain"}')


def test_native_parser_holds_the_start_until_there_is_content() -> None:
    parser = NativeParser()

    assert parser.feed(sse(start(), event("ping"), block(0, **TEXT))) == []
    assert len(parser.feed(sse(text(0, "a")))) == 3
    assert parser.progress > 0


def test_native_parser_raises_an_error_before_the_content_so_that_it_can_be_retried() -> None:
    overloaded = event("error", error={"type": "overloaded_error", "message": "busy"})

    assert parse(NativeParser(), sse(start(), block(0, **TEXT), overloaded)) == ([], "provider_unavailable")


@pytest.mark.parametrize(
    ("name", "events", "expected"),
    [
        ("a second start", [start(), *HELLO], [start(), block(0, **TEXT), "Hel", "lo", stop(0), *end()]),
        ("pings", [start(), event("ping"), *HELLO[1:]], [start(), block(0, **TEXT), "Hel", "lo", stop(0), *end()]),
        (
            "no start",
            HELLO[1:],
            [{"type": "message_start", "message": {}}, block(0, **TEXT), "Hel", "lo", stop(0), *end()],
        ),
        (
            "no block",
            [start(), text(0, "a"), *end()],
            [start(), block(0, **TEXT), text(0, "a"), stop(0), *end()],
        ),
        (
            "no reason",
            [start(), block(0, **TEXT), text(0, "a"), event("message_stop")],
            [
                start(),
                block(0, **TEXT),
                "a",
                stop(0),
                event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}),
                event("message_stop"),
            ],
        ),
        (
            "a line end in an event's name",
            [start(), block(0, **TEXT), text(0, "a"), event("x\ndata: y"), stop(0), *end()],
            [start(), block(0, **TEXT), "a", stop(0), *end()],
        ),
    ],
)
def test_native_parser_gives_what_a_client_requires(name: str, events: list[Any], expected: list[Any]) -> None:
    assert seen(*events) == expected, name


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        sse(start()),
        sse(start(), block(0, **TEXT), text(0, "a")),
        sse(start(), delta(0, type="input_json_delta", partial_json="{}")),
        b"data: {nonsense\n\n",
        b"data: [DONE]\n\n",
    ],
)
def test_native_parser_refuses_an_answer_that_is_not_whole(stream: bytes) -> None:
    assert parse(NativeParser(), stream)[1] == "provider_stream_broken"


def test_native_parser_ends_at_done_after_a_reason() -> None:
    events, code = parse(NativeParser(), sse(*HELLO[:-1]) + b"data: [DONE]\n\n")

    assert (code, events[-1]) == (None, Finished("stop"))


def test_native_parser_refuses_an_event_that_no_message_of_the_broker_holds() -> None:
    huge = block(0, type="document", data="z" * FIELDS_BYTES_MAX)

    assert parse(NativeParser(), sse(start(), huge))[1] == "answer_too_large"


WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "c",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "It rains.", "citations": [{"cited_text": "x"}]},
        {"type": "tool_use", "id": "t", "name": "now", "input": {"at": 1}},
        {"type": "hologram", "depth": 1},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 9},
}


@pytest.mark.parametrize("indent", [None, 2])
def test_native_parser_reads_a_whole_message_as_its_stream(indent: int | None) -> None:
    events, code = parse(NativeParser(), json.dumps(WHOLE, indent=indent).encode())

    assert code is None
    assert events[-2:] == [UsageReported(3, 9), Finished("tool_calls")]
    assert [shown(one) for one in events[:-2]] == [
        event("message_start", message={**WHOLE, "content": [], "stop_reason": None}),
        block(0, **THINKING),
        delta(0, type="thinking_delta", thinking="hm"),
        delta(0, type="signature_delta", signature="c2ln"),
        stop(0),
        block(1, type="text", text="", citations=[{"cited_text": "x"}]),
        "It rains.",
        stop(1),
        block(2, type="tool_use", id="t", name="now", input={}),
        delta(2, type="input_json_delta", partial_json='{"at":1}'),
        stop(2),
        block(3, type="hologram", depth=1),
        stop(3),
        event(
            "message_delta",
            delta={"stop_reason": "tool_use", "stop_sequence": None},
            usage={"input_tokens": 3, "output_tokens": 9},
        ),
        event("message_stop"),
    ]


@given(st.lists(st.text(min_size=1), min_size=1))
def test_native_parser_text_is_what_was_sent(pieces: list[str]) -> None:
    found = seen(start(), block(0, **TEXT), *(text(0, one) for one in pieces), stop(0), *end())

    assert "".join(one for one in found if isinstance(one, str)) == "".join(pieces)


def test_native_parser_joins_a_character_that_is_cut_in_two() -> None:
    found = seen(start(), block(0, **TEXT), text(0, "a\ud83c"), text(0, "\udf0db"), stop(0), *end())

    assert "".join(one for one in found if isinstance(one, str)) == "a🌍b"


def test_anthropic_adapter_has_a_parser_of_each_operation() -> None:
    adapter = AnthropicAdapter()
    assert isinstance(adapter.parser(messages()), NativeParser)
    assert not isinstance(adapter.parser(chat()), NativeParser)
