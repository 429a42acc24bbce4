"""Answers as servers of the OpenAI dialect write them in practice, and what they mean.

Where a value's source is not OpenAI's reference, the case names it: the issue of another project that had the bug.
"""

import json
from array import array
from base64 import b64encode
from typing import Any

import pytest
from unit.support.parsing import assert_heard_however_it_is_cut, hear

from penstock_contract.errors import ErrorCode
from penstock_contract.stream.events import (
    AnswerFields,
    Embedded,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_worker.providers.openai.embeddings_parser import EmbeddingsParser
from penstock_worker.providers.openai.parser import ChatParser

DONE = b"data: [DONE]\n\n"
HI = TextDelta("Hi")
STOPPED = Finished("stop")
CALLED = Finished("tool_calls")


def data(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(delta: object, finish: object = None, **choice: Any) -> bytes:
    return data(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **choice}],
        }
    )


def raw(text: bytes) -> bytes:
    return chunk({"content": "@"}).replace(b'"@"', text)


def call(**fields: Any) -> dict[str, Any]:
    return {"type": "function", **fields}


def calls(*entries: dict[str, Any]) -> bytes:
    return chunk({"tool_calls": list(entries)})


def usage(**fields: Any) -> bytes:
    return data({"choices": [], "usage": fields})


def lookup(index: int | None, id_: Any, query: str) -> dict[str, Any]:
    found = call(id=id_, function={"name": "lookup", "arguments": json.dumps({"q": query})})
    return found if index is None else {"index": index, **found}


SAYS = chunk({"content": "Hi"})
STOP = chunk({}, "stop")
END = STOP + DONE
TOOL_END = chunk({}, "tool_calls") + DONE
FIELDS = {"extra_content": {"google": {"thought_signature": "c2lnLTE="}}}
P1 = ToolCallDelta(0, "p1", "lookup", '{"q": "a"}')
P2 = ToolCallDelta(1, "p2", "lookup", '{"q": "b"}')
WHOLE = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1.5,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1},
}


def delta_fields(**fields: Any) -> AnswerFields:
    return AnswerFields("delta", json.dumps(fields, separators=(",", ":")).encode())


def answer_fields(**fields: Any) -> AnswerFields:
    return AnswerFields("answer", json.dumps(fields, separators=(",", ":")).encode())


ANSWERS: dict[str, tuple[bytes, list[Event]]] = {
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
    "length and once more stop": (SAYS + chunk({}, "length") + END, [HI, Finished("length")]),
    "length after calls": (calls(lookup(0, "p1", "a")) + chunk({}, "length") + DONE, [P1, Finished("length")]),
    # mastra-ai/mastra #14187: an endless loop.
    "tool_calls without a call": (SAYS + TOOL_END, [HI, STOPPED]),
    "a finish reason in capitals": (SAYS + chunk({}, "MAX_TOKENS") + DONE, [HI, Finished("length")]),
    "null as a text": (chunk({"content": "Hi"}, "null") + END, [HI, STOPPED]),
    # philschmid/easyllm #40, BerriAI/litellm #28024.
    "counts as floats": (
        SAYS + STOP + usage(prompt_tokens=12.0, completion_tokens=3.5, total_tokens=15.5) + DONE,
        [HI, UsageReported(12, 4), STOPPED],
    ),
    "counts as text": (
        SAYS + STOP + usage(prompt_tokens="12", completion_tokens="3") + DONE,
        [HI, UsageReported(12, 3), STOPPED],
    ),
    "a count of zeros": (
        SAYS + STOP + usage(prompt_tokens=0, completion_tokens=0, total_tokens=0) + DONE,
        [HI, STOPPED],
    ),
    "an empty count": (SAYS + STOP + usage() + DONE, [HI, STOPPED]),
    "a negative count": (SAYS + STOP + usage(prompt_tokens=-1_000_000, completion_tokens=5) + DONE, [HI, STOPPED]),
    "a count beyond all bounds": (SAYS + STOP + usage(prompt_tokens=10**30, completion_tokens=5) + DONE, [HI, STOPPED]),
    "a count without output beside text": (
        SAYS + STOP + usage(prompt_tokens=9, completion_tokens=0) + DONE,
        [HI, UsageReported(9, 1, estimated=True), STOPPED],
    ),
    "more cached than input": (
        SAYS + STOP + usage(prompt_tokens=9, completion_tokens=1, prompt_tokens_details={"cached_tokens": 50}) + DONE,
        [HI, UsageReported(9, 1, 9), STOPPED],
    ),
    # earendil-works/pi #2017: Moonshot counts inside the choice.
    "a count inside the choice": (
        SAYS + chunk({}, "stop", usage={"prompt_tokens": 1336, "completion_tokens": 31, "cached_tokens": 1280}) + DONE,
        [HI, UsageReported(1336, 31, 1280), STOPPED],
    ),
    "cached tokens as DeepSeek names them": (
        SAYS
        + STOP
        + usage(prompt_tokens=900, completion_tokens=1, prompt_cache_hit_tokens=800, prompt_cache_miss_tokens=100)
        + DONE,
        [HI, UsageReported(900, 1, 800, 0, 0, b'{"prompt_cache_miss_tokens":100}'), STOPPED],
    ),
    "a count in Anthropic's words": (
        SAYS
        + STOP
        + usage(input_tokens=900, output_tokens=1, cache_read_input_tokens=500, cache_creation_input_tokens=100)
        + DONE,
        [HI, UsageReported(900, 1, 500, 0, 100), STOPPED],
    ),
    "Groq's count": (
        SAYS
        + data(
            {
                "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                "x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 1}},
            }
        )
        + DONE,
        [HI, UsageReported(9, 1), STOPPED],
    ),
    "llama.cpp's timings": (
        SAYS
        + data(
            {
                "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                "timings": {"prompt_n": 2, "cache_n": 7, "predicted_n": 3},
            }
        )
        + DONE,
        [HI, UsageReported(9, 3, 7), STOPPED],
    ),
    "a count twice, the second of zeros": (
        SAYS + STOP + usage(prompt_tokens=9, completion_tokens=1) + usage(prompt_tokens=0, completion_tokens=0) + DONE,
        [HI, UsageReported(9, 1), STOPPED],
    ),
    "further counts": (
        SAYS
        + STOP
        + usage(
            prompt_tokens=9,
            completion_tokens=7,
            cost=0.25,
            completion_tokens_details={"accepted_prediction_tokens": 4, "reasoning_tokens": 2},
        )
        + DONE,
        [
            HI,
            UsageReported(9, 7, 0, 2, 0, b'{"cost":0.25,"completion_tokens_details":{"accepted_prediction_tokens":4}}'),
            STOPPED,
        ],
    ),
    # Chaos 15: servers in JavaScript cut an emoji in two.
    "an emoji cut in two": (raw(b'"a\\ud83d"') + raw(b'"\\ude00b"') + END, [TextDelta("a"), TextDelta("😀b"), STOPPED]),
    "half an emoji and text": (
        raw(b'"a\\ud83d"') + SAYS + SAYS + END,
        [TextDelta("a"), TextDelta("\ufffdHi"), HI, STOPPED],
    ),
    "half an emoji at the end": (raw(b'"a\\ud83d"') + END, [TextDelta("a"), TextDelta("\ufffd"), STOPPED]),
    "a half that was never begun": (raw(b'"\\ude00b"') + END, [TextDelta("\ufffdb"), STOPPED]),
    "a byte-order mark": (b"\xef\xbb\xbf" + SAYS + END, [HI, STOPPED]),
    "a tab and a line end inside a text": (raw(b'"a\tb"') + END, [TextDelta("a\tb"), STOPPED]),
    "a null delta": (SAYS + chunk(None) + END, [HI, STOPPED]),
    "null choices": (data({"choices": None}) + SAYS + END, [HI, STOPPED]),
    "a message in place of the delta": (
        data({"choices": [{"message": {"content": "Hi"}}]}) + data({"choices": [{"message": {"content": "Hi"}}]}) + END,
        [HI, HI, STOPPED],
    ),
    "a whole message after its deltas": (
        SAYS + SAYS + data({"choices": [{"message": {"content": "HiHi"}, "finish_reason": "stop"}]}) + DONE,
        [HI, HI, STOPPED],
    ),
    "text in place of the delta": (data({"choices": [{"text": "Hi", "index": 0}]}) + END, [HI, STOPPED]),
    "one choice in place of their list": (data({"choices": {"delta": {"content": "Hi"}}}) + END, [HI, STOPPED]),
    "a number as content": (chunk({"content": 4}) + END, [TextDelta("4"), STOPPED]),
    "a second choice that nobody asked for": (
        data({"choices": [{"index": 0, "delta": {"content": "Hi"}}, {"index": 1, "delta": {"content": "Ho"}}]}) + END,
        [HI, STOPPED],
    ),
    "odd types where nothing is needed": (
        data(
            {
                "id": 5,
                "created": 1.5,
                "model": None,
                "object": [],
                "choices": [{"index": "0", "delta": {"content": "Hi", "role": 3}}],
            }
        )
        + END,
        [HI, STOPPED],
    ),
    "an error that is none": (
        data({"error": "", "choices": [{"delta": {"content": "Hi"}}]})
        + data({"error": {}, "choices": [{"delta": {"content": "Hi"}}]})
        + data({"error": False, "choices": [{"delta": {"content": "Hi"}}]})
        + data({"error": {"code": None, "message": ""}, "choices": [{"delta": {"content": "Hi"}}]})
        + END,
        [HI, HI, HI, HI, STOPPED],
    ),
    # BerriAI/litellm #16272: Mistral thinks in content parts.
    "thinking in parts": (
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "let me see"}]}]})
        + chunk({"content": "4"})
        + END,
        [ReasoningDelta("let me see"), TextDelta("4"), STOPPED],
    ),
    "reasoning details": (
        chunk(
            {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "r1"}]}
        )
        + SAYS
        + END,
        [
            ReasoningDelta("hm"),
            delta_fields(reasoning_details=[{"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "r1"}]),
            HI,
            STOPPED,
        ],
    ),
    "an image part": (
        chunk({"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}) + END,
        [delta_fields(images=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]), STOPPED],
    ),
    # vercel/ai #9164: a search is paid for, and its sources are lost.
    "citations": (
        data({"choices": [{"delta": {"content": "Hi"}}], "citations": ["https://example.org/a"]})
        + data({"choices": [{"delta": {"content": "Hi"}}], "citations": ["https://example.org/a"]})
        + END,
        [answer_fields(citations=["https://example.org/a"]), HI, HI, STOPPED],
    ),
    "fingerprint and tier are sent once": (
        data(
            {
                "choices": [{"delta": {"role": "assistant", "content": ""}}],
                "service_tier": "default",
                "system_fingerprint": "fp",
            }
        )
        + data({"choices": [{"delta": {"content": "Hi"}}], "service_tier": "default", "system_fingerprint": "fp"})
        + data({"choices": [{"delta": {"content": "Hi"}}], "service_tier": "default", "system_fingerprint": "fp"})
        + END,
        [answer_fields(service_tier="default", system_fingerprint="fp"), HI, HI, STOPPED],
    ),
    "a field of a choice": (
        SAYS + chunk({}, "stop", native_finish_reason="STOP") + DONE,
        [HI, AnswerFields("choice", b'{"native_finish_reason":"STOP"}'), STOPPED],
    ),
    # Chaos 17: asked for again, each one paid.
    "a whole completion where a stream was asked for": (json.dumps(WHOLE).encode(), [HI, UsageReported(9, 1), STOPPED]),
    "a whole completion, indented, with a byte-order mark": (
        b"\xef\xbb\xbf" + json.dumps(WHOLE, indent=2).replace("\n", "\r\n").encode() + b"\r\n",
        [HI, UsageReported(9, 1), STOPPED],
    ),
    "a whole completion as one event": (data(WHOLE) + DONE, [HI, UsageReported(9, 1), STOPPED]),
    "chunks as lines of JSON": (
        b"".join(event[6:-1] for event in (SAYS, SAYS, STOP)),
        [HI, HI, STOPPED],
    ),
    "the last event without its blank line": (SAYS + STOP.rstrip(b"\n"), [HI, STOPPED]),
    "[DONE] without its blank line": (SAYS + STOP + b"data: [DONE]", [HI, STOPPED]),
    "a duplicate finish and [DONE]": (SAYS + STOP + STOP + DONE + DONE, [HI, STOPPED]),
    "text after the finish": (SAYS + STOP + SAYS + DONE, [HI, HI, STOPPED]),
}


def with_ids(events: list[Event]) -> list[Event]:
    """Made ids are written `call_` in the table."""
    return [
        ToolCallDelta(event.index, "call_", event.name, event.arguments, event.fields)
        if isinstance(event, ToolCallDelta) and event.id is not None and event.id.startswith("call_")
        else event
        for event in events
    ]


@pytest.mark.parametrize(("stream", "events"), ANSWERS.values(), ids=ANSWERS)
def test_chat_parser_reads_every_field_with_a_meaning(stream: bytes, events: list[Event]) -> None:
    found, code = hear(ChatParser(), stream)

    assert (with_ids(found), code) == (events, None)
    assert_heard_however_it_is_cut(ChatParser, stream, (found, None))


NAMELESS: dict[str, dict[str, Any]] = {
    "no id": {"index": 0},
    "an empty id": {"index": 0, "id": ""},
    "a null id": {"index": 0, "id": None},
    "no id and no index": {},
}


@pytest.mark.parametrize("fields", NAMELESS.values(), ids=NAMELESS)
def test_chat_parser_gives_each_call_an_id_of_its_own(fields: dict[str, Any]) -> None:
    # anomalyco/opencode #25925: the AI SDK wants a string, and an empty one is refused in the next turn.
    first = call(**fields, function={"name": "clock", "arguments": "{}"})
    second = {**first, "index": 1} if "index" in fields else first
    found, code = hear(ChatParser(), calls(first) + calls(second) + TOOL_END)

    ids = [event.id for event in found if isinstance(event, ToolCallDelta)]
    assert code is None
    assert [event.index for event in found if isinstance(event, ToolCallDelta)] == [0, 1]
    assert len(set(ids)) == 2
    assert all(id_ is not None and id_.startswith("call_") for id_ in ids)
    assert found == hear(ChatParser(), calls(first) + calls(second) + TOOL_END)[0]


def test_chat_parser_keeps_the_id_that_it_made_when_the_providers_comes_late() -> None:
    stream = calls({"index": 0, "function": {"name": "clock"}}) + calls(
        {"index": 0, "id": "x", "function": {"arguments": "{}"}}
    )
    found, _ = hear(ChatParser(), stream + TOOL_END)

    assert with_ids(found) == [ToolCallDelta(0, "call_", "clock", ""), ToolCallDelta(0, None, None, "{}"), CALLED]


FAILURES: dict[str, tuple[bytes, ErrorCode]] = {
    "an error as plain JSON": (b'{"error":{"code":"insufficient_quota","message":"x"}}', "provider_quota_exhausted"),
    "a rate limit as plain JSON": (b'{"error":{"code":429}}', "provider_rate_limited"),
    "a content filter as plain JSON": (b'{"error":{"code":"content_filter"}}', "content_policy_violation"),
    "too long as plain JSON": (b'{"error":{"code":"context_length_exceeded"}}', "context_length_exceeded"),
    "an error between the events, without data:": (SAYS + b'{"error":{"code":429}}\n\n' + END, "provider_rate_limited"),
    "an aborted answer": (SAYS + chunk({}, "abort") + DONE, "provider_unavailable"),
    "a whole body that is no answer": (b'{"status":"ok"}', "provider_stream_broken"),
    "a whole body that is cut": (json.dumps(WHOLE).encode()[:-9], "provider_stream_broken"),
}


@pytest.mark.parametrize(("stream", "code"), FAILURES.values(), ids=FAILURES)
def test_chat_parser_reads_an_error_wherever_it_stands(stream: bytes, code: ErrorCode) -> None:
    assert hear(ChatParser(), stream)[1] == code


def test_chat_parser_gives_the_names_of_fields_that_are_too_large() -> None:
    found, code = hear(ChatParser(), chunk({"audio": {"data": "A" * 5_000_000}, "tone": "warm"}) + END)

    assert code is None
    assert found == [delta_fields(tone="warm", penstock_omitted=["audio"]), STOPPED]


@pytest.mark.parametrize(
    "quiet", [b": ping\n\n", chunk({}), chunk({"role": "assistant", "content": ""}), b"data:\n\n", b"data: {"], ids=str
)
def test_chat_parser_takes_no_keep_alive_for_progress(quiet: bytes) -> None:
    parser = ChatParser()

    assert (parser.feed(quiet), parser.progress) == ([], 0)


def test_chat_parser_counts_a_finish_and_a_count_as_progress() -> None:
    parser = ChatParser()

    parser.feed(STOP)
    parser.feed(usage(prompt_tokens=1))

    assert parser.progress == 2


def body(*items: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"object": "list", "data": list(items), **fields}).encode()


VECTOR = array("f", [1, 0.25]).tobytes()
VECTORS: dict[str, tuple[bytes, list[Event]]] = {
    # spring-projects/spring-ai #7026, tensorzero/tensorzero #4617.
    "without usage": (body({"index": 0, "embedding": [1, 0.25]}), [Embedded(0, VECTOR), STOPPED]),
    "with null usage": (body({"index": 0, "embedding": [1, 0.25]}, usage=None), [Embedded(0, VECTOR), STOPPED]),
    "with a usage of 0": (
        body({"index": 0, "embedding": [1, 0.25]}, usage={"prompt_tokens": 0}),
        [Embedded(0, VECTOR), STOPPED],
    ),
    "with usage in floats": (
        body({"index": 0, "embedding": [1, 0.25]}, usage={"prompt_tokens": 3.0}),
        [Embedded(0, VECTOR), UsageReported(3, 0), STOPPED],
    ),
    "without index": (
        body({"embedding": [1, 0.25]}, {"embedding": [1, 0.25]}),
        [Embedded(0, VECTOR), Embedded(1, VECTOR), STOPPED],
    ),
    "all with index 0": (
        body({"index": 0, "embedding": [1, 0.25]}, {"index": 0, "embedding": [1, 0.25]}),
        [Embedded(0, VECTOR), Embedded(1, VECTOR), STOPPED],
    ),
    "as base64 though not asked for": (
        body({"index": 0, "embedding": b64encode(VECTOR).decode()}),
        [Embedded(0, VECTOR), STOPPED],
    ),
    "numbers as text": (body({"index": "0", "embedding": ["1", "0.25"]}), [Embedded(0, VECTOR), STOPPED]),
    "as a bare list": (json.dumps([{"embedding": [1, 0.25]}]).encode(), [Embedded(0, VECTOR), STOPPED]),
}


@pytest.mark.parametrize(("answer", "events"), VECTORS.values(), ids=VECTORS)
def test_embeddings_parser_reads_a_good_answer_whatever_is_beside_the_vectors(
    answer: bytes, events: list[Event]
) -> None:
    assert hear(EmbeddingsParser(), answer) == (events, None)


def test_embeddings_parser_reads_an_error_inside_a_200() -> None:
    assert hear(EmbeddingsParser(), b'{"error":{"code":"insufficient_quota"}}') == ([], "provider_quota_exhausted")
