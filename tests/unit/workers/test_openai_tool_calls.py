"""Tool calls and finish reasons of the OpenAI dialect as servers write them in practice."""

import json
from typing import Any

import pytest
from unit.support.openai_chunks import DONE, END, HI, STOPPED, TEXT, assert_events, chunk, with_ids
from unit.support.parsing import parse

from penstock_contract.stream.events import Event, Finished, ToolCallDelta
from penstock_worker.providers.openai.parser import ChatParser

CALLED = Finished("tool_calls")


def call(**fields: Any) -> dict[str, Any]:
    return {"type": "function", **fields}


def calls(*entries: dict[str, Any]) -> bytes:
    return chunk({"tool_calls": list(entries)})


def lookup(index: int | None, id_: Any, query: str) -> dict[str, Any]:
    found = call(id=id_, function={"name": "lookup", "arguments": json.dumps({"q": query})})
    return found if index is None else {"index": index, **found}


TOOL_END = chunk({}, "tool_calls") + DONE
FIELDS = {"extra_content": {"google": {"thought_signature": "c2lnLTE="}}}
P1 = ToolCallDelta(0, "p1", "lookup", '{"q": "a"}')
P2 = ToolCallDelta(1, "p2", "lookup", '{"q": "b"}')
CALLS: dict[str, tuple[bytes, list[Event]]] = {
    # NousResearch/hermes-agent #62937: Gemini's compatible endpoint never raises the index; an id names one call.
    "two calls under one index": (
        calls(lookup(0, "p1", "a")) + calls(lookup(0, "p2", "b")) + TOOL_END,
        [P1, P2, CALLED],
    ),
    "two calls under one index in one delta": (
        calls(lookup(0, "p1", "a"), lookup(0, "p2", "b")) + TOOL_END,
        [P1, P2, CALLED],
    ),
    "two calls under one index in pieces": (
        calls({"index": 0, **call(id="p1", function={"name": "f", "arguments": ""})})
        + calls({"index": 0, "function": {"arguments": "{}"}})
        + calls({"index": 0, **call(id="p2", function={"name": "g", "arguments": ""})})
        + calls({"index": 0, "function": {"arguments": "[]"}})
        + TOOL_END,
        [
            ToolCallDelta(0, "p1", "f", ""),
            ToolCallDelta(0, None, None, "{}"),
            ToolCallDelta(1, "p2", "g", ""),
            ToolCallDelta(1, None, None, "[]"),
            CALLED,
        ],
    ),
    "an index that begins at 3": (calls(lookup(3, "p1", "a"), lookup(7, "p2", "b")) + TOOL_END, [P1, P2, CALLED]),
    "an index as text and as a float": (
        calls({**lookup(None, "p1", "a"), "index": "0"}) + calls({**lookup(None, "p2", "b"), "index": 1.0}) + TOOL_END,
        [P1, P2, CALLED],
    ),
    "an id that is a number": (
        calls(lookup(0, 7, "a")) + TOOL_END,
        [ToolCallDelta(0, "7", "lookup", '{"q": "a"}'), CALLED],
    ),
    # pipecat-ai/pipecat #409: JSON.parse("") throws; OpenAI writes {}.
    "a call without arguments": (
        calls({"index": 0, **call(id="p1", function={"name": "now"})}) + TOOL_END,
        [ToolCallDelta(0, "p1", "now", ""), ToolCallDelta(0, None, None, "{}"), CALLED],
    ),
    "arguments as an object": (
        calls({"index": 0, **call(id="p1", function={"name": "now", "arguments": {"tz": "CET"}})}) + TOOL_END,
        [ToolCallDelta(0, "p1", "now", '{"tz":"CET"}'), CALLED],
    ),
    "the older function_call": (
        chunk({"function_call": {"name": "now", "arguments": "{}"}}) + chunk({}, "function_call") + DONE,
        [ToolCallDelta(0, "call_", "now", "{}"), CALLED],
    ),
    # Gitlawb/openclaude #67: Gemini refuses the next turn without its signature.
    "a thought signature": (
        calls({**lookup(0, "p1", "a"), **FIELDS}) + TOOL_END,
        [ToolCallDelta(0, "p1", "lookup", '{"q": "a"}', json.dumps(FIELDS, separators=(",", ":")).encode()), CALLED],
    ),
    # anomalyco/opencode #14972: agents stop their loop at `stop`.
    "stop after calls": (calls(lookup(0, "p1", "a")) + END, [P1, CALLED]),
    "tool_calls and once more stop": (calls(lookup(0, "p1", "a")) + chunk({}, "tool_calls") + END, [P1, CALLED]),
    "length and once more stop": (TEXT + chunk({}, "length") + END, [HI, Finished("length")]),
    "length after calls": (calls(lookup(0, "p1", "a")) + chunk({}, "length") + DONE, [P1, Finished("length")]),
    # mastra-ai/mastra #14187: agents repeat the request without end.
    "tool_calls without a call": (TEXT + TOOL_END, [HI, STOPPED]),
    "a finish reason in capitals": (TEXT + chunk({}, "MAX_TOKENS") + DONE, [HI, Finished("length")]),
    "null as a text": (chunk({"content": "Hi"}, "null") + END, [HI, STOPPED]),
}


@pytest.mark.parametrize(("stream", "events"), CALLS.values(), ids=CALLS)
def test_chat_parser_reads_tool_calls_and_finish_reasons_in_every_form(stream: bytes, events: list[Event]) -> None:
    assert_events(stream, events)


NAMELESS: dict[str, dict[str, Any]] = {
    "no id": {"index": 0},
    "an empty id": {"index": 0, "id": ""},
    "a null id": {"index": 0, "id": None},
    "no id and no index": {},
}


@pytest.mark.parametrize("fields", NAMELESS.values(), ids=NAMELESS)
def test_chat_parser_gives_each_call_an_id_of_its_own(fields: dict[str, Any]) -> None:
    # anomalyco/opencode #25925: the AI SDK requires a string, and the provider rejects an empty one in the next turn.
    first = call(**fields, function={"name": "clock", "arguments": "{}"})
    second = {**first, "index": 1} if "index" in fields else first
    found, code = parse(ChatParser(), calls(first) + calls(second) + TOOL_END)

    ids = [event.id for event in found if isinstance(event, ToolCallDelta)]
    assert code is None
    assert [event.index for event in found if isinstance(event, ToolCallDelta)] == [0, 1]
    assert len(set(ids)) == 2
    assert all(id_ is not None and id_.startswith("call_") for id_ in ids)
    assert found == parse(ChatParser(), calls(first) + calls(second) + TOOL_END)[0]


def test_chat_parser_keeps_the_id_that_it_made_when_the_providers_comes_late() -> None:
    stream = calls({"index": 0, "function": {"name": "clock"}}) + calls(
        {"index": 0, "id": "x", "function": {"arguments": "{}"}}
    )
    found, _ = parse(ChatParser(), stream + TOOL_END)

    assert with_ids(found) == [ToolCallDelta(0, "call_", "clock", ""), ToolCallDelta(0, None, None, "{}"), CALLED]
