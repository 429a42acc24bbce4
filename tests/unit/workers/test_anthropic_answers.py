"""Answers of the Anthropic dialect as Anthropic and compatible servers write them, and their events."""

import json
from typing import Any

import pytest
from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.error_codes import ErrorCode
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_worker.providers.anthropic.parser import MessageParser

HI = TextDelta("Hi")
COUNTED: list[Event] = [UsageReported(10, 7), Finished("stop")]
CALLED: list[Event] = [UsageReported(10, 7), Finished("tool_calls")]


def event(type_: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type_.encode(), json.dumps({"type": type_, **fields}).encode())


def start(**usage: Any) -> bytes:
    return event(
        "message_start", message={"role": "assistant", "usage": {"input_tokens": 10, "output_tokens": 1, **usage}}
    )


def block(index: Any, *deltas: dict[str, Any], **fields: Any) -> bytes:
    pieces = b"".join(event("content_block_delta", index=index, delta=delta) for delta in deltas)
    begin = event("content_block_start", index=index, content_block=fields)
    return begin + pieces + event("content_block_stop", index=index)


def end(reason: str = "end_turn", **usage: Any) -> bytes:
    counted = {"output_tokens": 7, **usage}
    return event("message_delta", delta={"stop_reason": reason}, usage=counted) + event("message_stop")


def text(words: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": words}


def piece(json_text: Any) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": json_text}


def fields(**found: Any) -> AnswerFields:
    return AnswerFields("delta", json.dumps(found, separators=(",", ":")).encode())


TEXT = block(0, text("Hi"), type="text", text="")
NOW = {"type": "tool_use", "id": "toolu_1", "name": "now"}
WEB = {"type": "web_search_result_location", "url": "https://example.org/a", "title": "A", "cited_text": "so"}
PAGE = {"type": "page_location", "document_index": 0, "start_page_number": 1, "end_page_number": 2}
WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {"tz": "CET"}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 10, "output_tokens": 7},
}
SIGNED = fields(
    reasoning_details=[
        {"type": "reasoning.text", "text": "hm", "signature": "EqQB", "format": "anthropic-claude-v1", "index": 0}
    ]
)

ANSWERS: dict[str, tuple[bytes, list[Event]]] = {
    # pipecat-ai/pipecat #409: JSON.parse("") throws in the client; the SDK's accumulator begins with the block's input.
    "a tool without arguments": (
        start() + block(0, piece(""), **NOW, input={}) + end("tool_use"),
        [ToolCallDelta(0, "toolu_1", "now", ""), ToolCallDelta(0, None, None, "{}"), *CALLED],
    ),
    "a tool whose input is at its start": (
        start() + block(0, **NOW, input={"tz": "CET"}) + end("tool_use"),
        [ToolCallDelta(0, "toolu_1", "now", ""), ToolCallDelta(0, None, None, '{"tz":"CET"}'), *CALLED],
    ),
    "a tool whose piece is an object": (
        start() + block(0, piece({"tz": "CET"}), **NOW, input={}) + end("tool_use"),
        [ToolCallDelta(0, "toolu_1", "now", ""), ToolCallDelta(0, None, None, '{"tz":"CET"}'), *CALLED],
    ),
    "a tool call that ends with end_turn": (
        start() + block(0, piece("{}"), **NOW, input={}) + end(),
        [ToolCallDelta(0, "toolu_1", "now", ""), ToolCallDelta(0, None, None, "{}"), *CALLED],
    ),
    "tool_use without a call": (start() + TEXT + end("tool_use"), [HI, *COUNTED]),
    "text at the block's start": (start() + block(0, type="text", text="Hi") + end(), [HI, *COUNTED]),
    "a citation with an address": (
        start()
        + block(0, text("It is so"), {"type": "citations_delta", "citation": WEB}, type="text", text="")
        + end(),
        [
            TextDelta("It is so"),
            fields(
                annotations=[
                    {
                        "type": "url_citation",
                        "url_citation": {
                            "url": "https://example.org/a",
                            "title": "A",
                            "start_index": 0,
                            "end_index": 8,
                        },
                    }
                ]
            ),
            *COUNTED,
        ],
    ),
    "a citation of a document": (
        start() + block(0, text("so"), {"type": "citations_delta", "citation": PAGE}, type="text", text="") + end(),
        [TextDelta("so"), fields(citations=[PAGE]), *COUNTED],
    ),
    "a signature without shown thoughts": (
        start()
        + block(0, {"type": "signature_delta", "signature": "EqQB"}, type="thinking", thinking="")
        + TEXT
        + end(),
        [
            fields(
                reasoning_details=[
                    {
                        "type": "reasoning.text",
                        "text": "",
                        "signature": "EqQB",
                        "format": "anthropic-claude-v1",
                        "index": 0,
                    }
                ]
            ),
            HI,
            *COUNTED,
        ],
    ),
    "cache writes by their lifetime": (
        start(cache_creation={"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}) + TEXT + end(),
        [HI, UsageReported(110, 7, 0, 0, 100), Finished("stop")],
    ),
    "cache reads and writes": (
        start(cache_creation_input_tokens=100, cache_read_input_tokens=50) + TEXT + end(),
        [HI, UsageReported(160, 7, 50, 0, 100), Finished("stop")],
    ),
    "counts as floats and text": (
        start(input_tokens=10.0) + TEXT + end(output_tokens="7"),
        [HI, *COUNTED],
    ),
    "a negative count": (start(input_tokens=-5) + TEXT + end(), [HI, Finished("stop")]),
    "no count at all": (
        event("message_start", message={})
        + TEXT
        + event("message_delta", delta={"stop_reason": "end_turn"})
        + event("message_stop"),
        [HI, Finished("stop")],
    ),
    "an index as text": (start() + block("0", text("Hi"), type="text", text="") + end(), [HI, *COUNTED]),
    "null where objects could be": (
        start()
        + event("content_block_delta", index=0, delta=None)
        + TEXT
        + event("message_delta", delta=None, usage=None)
        + end(),
        [HI, *COUNTED],
    ),
    "an emoji cut in two": (
        start()
        + b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\ud83d"}}\n\n'
        + b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\ude00b"}}\n\n'
        + end(),
        [TextDelta("a"), TextDelta("😀b"), *COUNTED],
    ),
    "half an emoji at the end": (
        start()
        + b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\ud83d"}}\n\n'
        + end(),
        [TextDelta("a"), TextDelta("\ufffd"), *COUNTED],
    ),
    "[DONE] in place of message_stop": (
        start()
        + TEXT
        + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7})
        + b"data: [DONE]\n\n",
        [HI, *COUNTED],
    ),
    "a byte-order mark": (b"\xef\xbb\xbf" + start() + TEXT + end(), [HI, *COUNTED]),
    "the last event without its blank line": ((start() + TEXT + end()).rstrip(b"\n"), [HI, *COUNTED]),
    "a whole message in place of a requested stream": (
        json.dumps(WHOLE, indent=1).encode(),
        [
            ReasoningDelta("hm"),
            SIGNED,
            HI,
            ToolCallDelta(0, "toolu_1", "now", ""),
            ToolCallDelta(0, None, None, '{"tz":"CET"}'),
            *CALLED,
        ],
    ),
}

FAILURES: dict[str, tuple[bytes, ErrorCode]] = {
    "an error as plain JSON": (
        b'{"type":"error","error":{"type":"rate_limit_error","message":"x"}}',
        "provider_rate_limited",
    ),
    "arguments of a call that never began": (
        start() + event("content_block_delta", index=3, delta=piece('{"a":1}')) + end("tool_use"),
        "provider_stream_broken",
    ),
    "a call without a name": (
        start() + block(0, type="tool_use", id="a", input={}) + end("tool_use"),
        "provider_stream_broken",
    ),
    "a whole message that is cut": (json.dumps(WHOLE).encode()[:-9], "provider_stream_broken"),
}


@pytest.mark.parametrize(("stream", "events"), ANSWERS.values(), ids=ANSWERS)
def test_message_parser_reads_every_field_with_a_meaning(stream: bytes, events: list[Event]) -> None:
    assert parse(MessageParser(), stream) == (events, None)
    assert_parsed_however_cut(MessageParser, stream, (events, None))


@pytest.mark.parametrize(("stream", "code"), FAILURES.values(), ids=FAILURES)
def test_message_parser_reports_a_body_without_an_answer_as_an_error(stream: bytes, code: ErrorCode) -> None:
    assert parse(MessageParser(), stream)[1] == code


def test_message_parser_takes_no_ping_for_progress() -> None:
    parser = MessageParser()

    parser.feed(event("ping") + b": ping\n\n")

    assert parser.progress == 0


def test_message_parser_places_citations_in_the_text_without_the_thoughts() -> None:
    citation = {"type": "web_search_result_location", "url": "https://a.example", "title": "A"}
    pieces = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "let me see"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "hello"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": citation}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_stop"},
    ]
    stream = b"".join(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces)
    events, _ = parse(MessageParser(), stream)
    (found,) = [event for event in events if isinstance(event, AnswerFields)]
    place = json.loads(found.fields)["annotations"][0]["url_citation"]
    assert (place["start_index"], place["end_index"]) == (0, 5)
