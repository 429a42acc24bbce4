"""The bytes of the Responses API's stream, written out, and the ends that a stream may have."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from harness.response_events import events_of
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from penstock_contract.errors import ErrorDetail
from penstock_contract.openai_responses.request import ReasoningSettings, ResponseRequest
from penstock_contract.openai_responses.response import begun
from penstock_contract.openai_responses.sealed_reasoning import unsealed
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.responses.collector import ResponseCollector
from penstock_gateway.streaming.renderers.responses.stream import ResponseStreamRenderer

OPENAI: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
STOP = Finished("stop")


def request(**fields: Any) -> ResponseRequest:
    return ResponseRequest(model="gpt", **fields)


def rendered(events: Iterable[Event], *, encrypted: bool = False, **fields: Any) -> str:
    renderer = ResponseStreamRenderer(begun("resp_1", 1, request(**fields), store=False), encrypted=encrypted)
    return b"".join(map(renderer.render, events)).decode()


def types_of(text: str) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events_of(text)]


def test_response_stream_has_these_bytes_for_a_text() -> None:
    text = rendered([TextDelta("He"), TextDelta('l"'), UsageReported(9, 2, 4, 1), STOP])

    blocks = text.split("\n\n")
    assert blocks[2:10] == [
        (
            'event: response.output_item.added\ndata: {"type":"response.output_item.added","sequence_number":2,'
            '"output_index":0,"item":{"type":"message","id":"msg_1_0","status":"in_progress","content":[],'
            '"role":"assistant"}}'
        ),
        (
            'event: response.content_part.added\ndata: {"type":"response.content_part.added","sequence_number":3,'
            '"output_index":0,"item_id":"msg_1_0","content_index":0,'
            '"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}'
        ),
        (
            'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,'
            '"output_index":0,"item_id":"msg_1_0","content_index":0,"delta":"He","logprobs":[]}'
        ),
        (
            'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":5,'
            '"delta":"l\\"","item_id":"msg_1_0","output_index":0,"content_index":0,"logprobs":[]}'
        ),
        (
            'event: response.output_text.done\ndata: {"type":"response.output_text.done","sequence_number":6,'
            '"output_index":0,"item_id":"msg_1_0","content_index":0,"text":"Hel\\"","logprobs":[]}'
        ),
        (
            'event: response.content_part.done\ndata: {"type":"response.content_part.done","sequence_number":7,'
            '"output_index":0,"item_id":"msg_1_0","content_index":0,'
            '"part":{"type":"output_text","text":"Hel\\"","annotations":[],"logprobs":[]}}'
        ),
        (
            'event: response.output_item.done\ndata: {"type":"response.output_item.done","sequence_number":8,'
            '"output_index":0,"item":{"type":"message","id":"msg_1_0","status":"completed","content":'
            '[{"type":"output_text","text":"Hel\\"","annotations":[],"logprobs":[]}],"role":"assistant"}}'
        ),
        (
            'event: response.completed\ndata: {"type":"response.completed","sequence_number":9,"response":'
            '{"object":"response","id":"resp_1","created_at":1,"status":"completed","model":"gpt","output":'
            '[{"type":"message","id":"msg_1_0","status":"completed","content":[{"type":"output_text","text":"Hel\\"",'
            '"annotations":[],"logprobs":[]}],"role":"assistant"}],"error":null,"incomplete_details":null,'
            '"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":0},'
            '"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":11},'
            '"completed_at":null,"background":false,"instructions":null,"max_output_tokens":null,'
            '"max_tool_calls":null,"metadata":{},"parallel_tool_calls":true,"previous_response_id":null,'
            '"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},"safety_identifier":null,'
            '"service_tier":"default","store":false,"temperature":1.0,"text":{"format":{"type":"text"}},'
            '"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1.0,"presence_penalty":0.0,'
            '"frequency_penalty":0.0,"truncation":"disabled","user":null}}'
        ),
    ]
    assert blocks[10] == ""
    assert "\r" not in text


CASES: dict[str, tuple[list[Event], list[str]]] = {
    "nothing": ([STOP], ["created", "in_progress", "completed"]),
    "a refusal": (
        [RefusalDelta("no"), STOP],
        [
            *("created", "in_progress", "output_item.added", "content_part.added", "refusal.delta", "refusal.done"),
            *("content_part.done", "output_item.done", "completed"),
        ],
    ),
    "reasoning, then text": (
        [ReasoningDelta("hm"), TextDelta("a"), STOP],
        [
            *("created", "in_progress", "output_item.added", "content_part.added", "reasoning_text.delta"),
            *("reasoning_text.done", "content_part.done", "output_item.done"),
            *("output_item.added", "content_part.added", "output_text.delta", "output_text.done"),
            *("content_part.done", "output_item.done", "completed"),
        ],
    ),
    "two calls, one after the other": (
        [
            ToolCallDelta(0, "a", "f", '{"x":'),
            ToolCallDelta(0, None, None, "1}"),
            ToolCallDelta(1, "b", "g", "{}"),
            STOP,
        ],
        [
            *("created", "in_progress", "output_item.added", "function_call_arguments.delta"),
            *("function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
            *("output_item.added", "function_call_arguments.delta"),
            *("function_call_arguments.done", "output_item.done", "completed"),
        ],
    ),
    "two calls that interleave": (
        [
            ToolCallDelta(0, "a", "f", '{"x":'),
            ToolCallDelta(1, "b", "g", "{}"),
            ToolCallDelta(0, None, None, "1}"),
            STOP,
        ],
        [
            *("created", "in_progress", "output_item.added", "function_call_arguments.delta"),
            *("output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"),
            *("function_call_arguments.done", "output_item.done"),
            *("function_call_arguments.done", "output_item.done", "completed"),
        ],
    ),
    "a length": (
        [TextDelta("a"), Finished("length")],
        [
            *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
            *("output_text.done", "content_part.done", "output_item.done", "incomplete"),
        ],
    ),
    "a failure": (
        [TextDelta("a"), Failed(ErrorDetail("worker_lost", "lost"))],
        [
            *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
            *("output_text.done", "content_part.done", "output_item.done", "error", "failed"),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_response_stream_has_these_events(name: str) -> None:
    events, expected = CASES[name]

    text = rendered(events)

    assert types_of(text) == expected
    for event in events_of(text):
        OPENAI.validate_python(event)


def test_response_stream_sends_reasoning_as_a_summary_where_one_is_requested() -> None:
    text = rendered([ReasoningDelta("hm"), STOP], reasoning=ReasoningSettings(summary="auto"))

    assert types_of(text)[3:7] == [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]
    assert events_of(text)[-1]["response"]["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]


@pytest.mark.parametrize("encrypted", [True, False])
def test_response_stream_seals_signatures_only_where_they_are_included(*, encrypted: bool) -> None:
    details = [{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]
    fields = AnswerFields("delta", json.dumps({"reasoning_details": details}).encode())

    text = rendered([ReasoningDelta("hm"), fields, TextDelta("a"), STOP], encrypted=encrypted)

    item = events_of(text)[-1]["response"]["output"][0]
    assert ("encrypted_content" in item) is encrypted
    if encrypted:
        assert unsealed(item["encrypted_content"], "input[0]") == details


def test_response_stream_places_citations_in_their_part() -> None:
    citation = {"url": "https://x.example", "title": "X", "start_index": 4, "end_index": 6}
    fields = {"annotations": [{"type": "url_citation", "url_citation": citation}]}
    pieces = [TextDelta("1234"), ToolCallDelta(0, "a", "f", "{}"), TextDelta("56")]

    text = rendered([*pieces, AnswerFields("delta", json.dumps(fields).encode()), STOP])

    *_, message = events_of(text)[-1]["response"]["output"]
    expected = {"type": "url_citation", **citation, "start_index": 0, "end_index": 2}
    assert message["content"][0]["annotations"] == [expected]
    assert types_of(text).count("output_text.annotation.added") == 1


def test_response_shows_fields_that_have_no_place_in_this_api() -> None:
    fields = AnswerFields("answer", b'{"citations":["https://x.example"],"service_tier":"flex"}')
    collector = ResponseCollector(begun("resp_1", 1, request(), store=False), encrypted=False)
    for event in [fields, TextDelta("a"), UsageReported(1, 1, details=b'{"cost":0.5}'), STOP]:
        assert collector.render(event) == b""

    whole = collector.response(2)

    assert isinstance(whole, dict)
    assert (whole["citations"], whole["usage"]["cost"]) == (["https://x.example"], 0.5)
    assert (whole["service_tier"], whole["completed_at"]) == ("flex", 2)


def test_response_in_the_background_is_queued_first() -> None:
    text = rendered([STOP], background=True)

    assert types_of(text)[:3] == ["created", "queued", "in_progress"]
    assert [event["response"]["status"] for event in events_of(text)[:3]] == ["queued", "queued", "in_progress"]
