"""Answers of Anthropic, and their events."""

import json
from typing import Any

import pytest
from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.error_codes import ErrorCode
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_worker.providers.anthropic.parser import MessageParser


def event(type_: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type_.encode(), json.dumps({"type": type_, **fields}).encode())


def start(**usage: Any) -> bytes:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1, **usage},
    }
    return event("message_start", message=message)


def block(index: int, **fields: Any) -> bytes:
    return event("content_block_start", index=index, content_block=fields)


def delta(index: int, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta=fields)


def text(index: int, words: str) -> bytes:
    return delta(index, type="text_delta", text=words)


def stop_block(index: int) -> bytes:
    return event("content_block_stop", index=index)


def end(reason: str = "end_turn", output_tokens: int = 7, **usage: Any) -> bytes:
    return event(
        "message_delta",
        delta={"stop_reason": reason, "stop_sequence": None},
        usage={"output_tokens": output_tokens, **usage},
    ) + event("message_stop")


def details(detail: dict[str, Any]) -> AnswerFields:
    detail = {**detail, "format": "anthropic-claude-v1", "index": 0}
    return AnswerFields("delta", json.dumps({"reasoning_details": [detail]}, separators=(",", ":")).encode())


PING = event("ping")
TEXT = block(0, type="text", text="") + text(0, "Hi") + stop_block(0)
COUNTED = [UsageReported(10, 7), Finished("stop")]

ANSWERS: dict[str, tuple[bytes, list[Event]]] = {
    "text in its full order": (
        start() + block(0, type="text", text="") + PING + text(0, "Hel") + text(0, "lo") + stop_block(0) + end(),
        [TextDelta("Hel"), TextDelta("lo"), *COUNTED],
    ),
    "thinking before the text": (
        start()
        + block(0, type="thinking", thinking="", signature="")
        + delta(0, type="thinking_delta", thinking="hm")
        + delta(0, type="signature_delta", signature="EqQB")
        + stop_block(0)
        + block(1, type="text", text="")
        + text(1, "Hi")
        + stop_block(1)
        + end(),
        [
            ReasoningDelta("hm"),
            details({"type": "reasoning.text", "text": "hm", "signature": "EqQB"}),
            TextDelta("Hi"),
            *COUNTED,
        ],
    ),
    "thinking that was redacted": (
        start() + block(0, type="redacted_thinking", data="AAAA") + stop_block(0) + TEXT + end(),
        [details({"type": "reasoning.encrypted", "data": "AAAA"}), TextDelta("Hi"), *COUNTED],
    ),
    "two tool calls after text, counted among themselves": (
        start()
        + TEXT
        + block(1, type="tool_use", id="toolu_a", name="weather", input={})
        + delta(1, type="input_json_delta", partial_json="")
        + delta(1, type="input_json_delta", partial_json='{"city":')
        + delta(1, type="input_json_delta", partial_json='"Oslo"}')
        + stop_block(1)
        + block(2, type="tool_use", id="toolu_b", name="time", input={})
        + delta(2, type="input_json_delta", partial_json="{}")
        + stop_block(2)
        + end("tool_use"),
        [
            TextDelta("Hi"),
            ToolCallDelta(0, "toolu_a", "weather", ""),
            ToolCallDelta(0, None, None, '{"city":'),
            ToolCallDelta(0, None, None, '"Oslo"}'),
            ToolCallDelta(1, "toolu_b", "time", ""),
            ToolCallDelta(1, None, None, "{}"),
            UsageReported(10, 7),
            Finished("tool_calls"),
        ],
    ),
    "an input of a server's tool that is no JSON is its text": (
        start()
        + block(0, type="mcp_tool_use", id="m_1", name="f", input={})
        + delta(0, type="input_json_delta", partial_json='{"a')
        + stop_block(0)
        + TEXT
        + end(),
        [
            AnswerFields(
                "delta", b'{"content_blocks":[{"type":"mcp_tool_use","id":"m_1","name":"f","input":"{\\"a"}]}'
            ),
            TextDelta("Hi"),
            *COUNTED,
        ],
    ),
    "a tool of the server's own is not the client's": (
        start()
        + block(0, type="server_tool_use", id="srv_1", name="web_search", input={})
        + delta(0, type="input_json_delta", partial_json='{"query":')
        + delta(0, type="input_json_delta", partial_json='"a"}')
        + stop_block(0)
        + block(1, type="web_search_tool_result", tool_use_id="srv_1", content=[{"url": "https://a.example"}])
        + stop_block(1)
        + block(2, type="text", text="")
        + text(2, "Hi")
        + end(),
        [
            AnswerFields(
                "delta",
                b'{"content_blocks":[{"type":"server_tool_use","id":"srv_1","name":"web_search","input":{"query":"a"}}]}',
            ),
            AnswerFields(
                "delta",
                b'{"content_blocks":[{"type":"web_search_tool_result","tool_use_id":"srv_1",'
                b'"content":[{"url":"https://a.example"}]}]}',
            ),
            TextDelta("Hi"),
            *COUNTED,
        ],
    ),
    "usage that grows": (
        start() + TEXT + event("message_delta", delta={}, usage={"output_tokens": 3}) + end(output_tokens=7),
        [TextDelta("Hi"), *COUNTED],
    ),
    "cached input is part of the input": (
        start(input_tokens=10, cache_read_input_tokens=100, cache_creation_input_tokens=1000) + TEXT + end(),
        [TextDelta("Hi"), UsageReported(1110, 7, 100, 0, 1000), Finished("stop")],
    ),
    "input that is repeated at the end": (
        start(cache_read_input_tokens=100)
        + TEXT
        + end(input_tokens=20, cache_read_input_tokens=100, cache_creation_input_tokens=0),
        [TextDelta("Hi"), UsageReported(120, 7, 100), Finished("stop")],
    ),
    "input that is repeated without the cache": (
        start(cache_read_input_tokens=100, cache_creation_input_tokens=5) + TEXT + end(input_tokens=10),
        [TextDelta("Hi"), UsageReported(115, 7, 100, 0, 5), Finished("stop")],
    ),
    "nulls where numbers could be": (
        start(cache_read_input_tokens=None, cache_creation_input_tokens=None) + TEXT + end(input_tokens=None),
        [TextDelta("Hi"), *COUNTED],
    ),
    "events of unknown types": (
        start() + event("content_block_glow", index=0, glow=True) + TEXT + end(),
        [TextDelta("Hi"), *COUNTED],
    ),
    "CRLF": ((start() + TEXT + end()).replace(b"\n", b"\r\n"), [TextDelta("Hi"), *COUNTED]),
    "an empty answer that is whole": (start() + end(), COUNTED),
    "chatter after the end": (start() + TEXT + end() + text(0, "more") + end(), [TextDelta("Hi"), *COUNTED]),
}

FAILURES: dict[str, tuple[bytes, ErrorCode]] = {
    "cut before message_stop": (start() + TEXT + end().partition(b"event: message_stop")[0], "provider_stream_broken"),
    "cut inside message_stop": (start() + TEXT + end()[:-3], "provider_stream_broken"),
    "cut in the middle of the text": (start() + text(0, "Hi"), "provider_stream_broken"),
    "an empty body": (b"", "provider_stream_broken"),
    "not JSON": (start() + TEXT + b"data: {nonsense\n\n", "provider_stream_broken"),
    "not UTF-8": (start() + TEXT + b'data: {"type":"ping","error":{"type":"\xff"}}\n\n', "provider_stream_broken"),
    "JSON of another shape": (start() + TEXT + event("message_delta", delta=[1]), "provider_stream_broken"),
    "[DONE], which is OpenAI's": (start() + TEXT + b"data: [DONE]\n\n", "provider_stream_broken"),
    "overloaded": (
        start() + TEXT + event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
        "provider_unavailable",
    ),
    "an error before anything": (
        event("error", error={"type": "api_error", "message": "boom"}),
        "provider_unavailable",
    ),
    "an error without its object": (event("error"), "provider_unavailable"),
    "a rate limit": (event("error", error={"type": "rate_limit_error"}), "provider_rate_limited"),
    "a bad request": (event("error", error={"type": "invalid_request_error"}), "provider_rejected"),
    "a bad key": (event("error", error={"type": "authentication_error"}), "provider_auth_failed"),
    "no money": (event("error", error={"type": "billing_error"}), "provider_quota_exhausted"),
    "no permission": (event("error", error={"type": "permission_error"}), "provider_auth_failed"),
    "no such model": (event("error", error={"type": "not_found_error"}), "provider_model_not_found"),
    "too large": (event("error", error={"type": "request_too_large"}), "context_length_exceeded"),
}


@pytest.mark.parametrize(("stream", "events"), ANSWERS.values(), ids=ANSWERS)
def test_message_parser_maps_an_answer_to_events(stream: bytes, events: list[Event]) -> None:
    assert parse(MessageParser(), stream) == (events, None)


@pytest.mark.parametrize(("stream", "events"), ANSWERS.values(), ids=ANSWERS)
def test_message_parser_maps_an_answer_cut_anywhere_to_the_same_events(stream: bytes, events: list[Event]) -> None:
    assert_parsed_however_cut(MessageParser, stream, (events, None))


@pytest.mark.parametrize(("stream", "code"), FAILURES.values(), ids=FAILURES)
def test_message_parser_reports_a_broken_stream_as_an_error(stream: bytes, code: ErrorCode) -> None:
    assert parse(MessageParser(), stream)[1] == code


@pytest.mark.parametrize(("stream", "code"), FAILURES.values(), ids=FAILURES)
def test_message_parser_reports_a_broken_stream_cut_anywhere_as_the_same_error(stream: bytes, code: ErrorCode) -> None:
    events: list[Event] = [TextDelta("Hi")] if b'"Hi"' in stream else []

    assert_parsed_however_cut(MessageParser, stream, (events, code))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("made_up", "stop"),
    ],
)
def test_message_parser_maps_a_stop_reason_to_one_of_four(given: str, reason: FinishReason) -> None:
    call = block(0, type="tool_use", id="toolu_a", name="time", input={}) if reason == "tool_calls" else b""

    assert parse(MessageParser(), start() + call + end(given))[0][-1] == Finished(reason)


def test_message_parser_completes_an_answer_at_message_stop_only() -> None:
    parser = MessageParser()
    stream = start() + TEXT + end()
    before, stop = stream[: stream.index(b"event: message_stop")], stream[stream.index(b"event: message_stop") :]

    parser.feed(before)
    assert not parser.complete
    parser.feed(stop)
    assert parser.complete
