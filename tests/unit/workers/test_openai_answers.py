"""Answers of the OpenAI dialect as servers write them in practice, and their events.

Where a value's source is not OpenAI's reference, the case names it: the issue of another project that had the bug.
"""

import json
from typing import Any

import pytest
from unit.support.openai_chunks import DONE, END, HI, STOP, STOPPED, TEXT, assert_events, chunk, data, usage
from unit.support.parsing import parse

from penstock_contract.error_codes import ErrorCode
from penstock_contract.stream.events import AnswerFields, Event, ReasoningDelta, TextDelta, UsageReported
from penstock_worker.providers.openai.parser import ChatParser


def raw(text: bytes) -> bytes:
    return chunk({"content": "@"}).replace(b'"@"', text)


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
    # Chaos 15: servers in JavaScript cut an emoji in two.
    "an emoji cut in two": (raw(b'"a\\ud83d"') + raw(b'"\\ude00b"') + END, [TextDelta("a"), TextDelta("😀b"), STOPPED]),
    "half an emoji and text": (
        raw(b'"a\\ud83d"') + TEXT + TEXT + END,
        [TextDelta("a"), TextDelta("\ufffdHi"), HI, STOPPED],
    ),
    "half an emoji at the end": (raw(b'"a\\ud83d"') + END, [TextDelta("a"), TextDelta("\ufffd"), STOPPED]),
    "a half that was never begun": (raw(b'"\\ude00b"') + END, [TextDelta("\ufffdb"), STOPPED]),
    "a byte-order mark": (b"\xef\xbb\xbf" + TEXT + END, [HI, STOPPED]),
    "a tab and a line end inside a text": (raw(b'"a\tb"') + END, [TextDelta("a\tb"), STOPPED]),
    "a null delta": (TEXT + chunk(None) + END, [HI, STOPPED]),
    "null choices": (data({"choices": None}) + TEXT + END, [HI, STOPPED]),
    "a message in place of the delta": (
        data({"choices": [{"message": {"content": "Hi"}}]}) + data({"choices": [{"message": {"content": "Hi"}}]}) + END,
        [HI, HI, STOPPED],
    ),
    "a whole message after its deltas": (
        TEXT + TEXT + data({"choices": [{"message": {"content": "HiHi"}, "finish_reason": "stop"}]}) + DONE,
        [HI, HI, STOPPED],
    ),
    "text in place of the delta": (data({"choices": [{"text": "Hi", "index": 0}]}) + END, [HI, STOPPED]),
    "one choice in place of their list": (data({"choices": {"delta": {"content": "Hi"}}}) + END, [HI, STOPPED]),
    "a number as content": (chunk({"content": 4}) + END, [TextDelta("4"), STOPPED]),
    "a second choice without a request for it": (
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
    # BerriAI/litellm #16272: Mistral sends its reasoning in content parts.
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
        + TEXT
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
        TEXT + chunk({}, "stop", native_finish_reason="STOP") + DONE,
        [HI, AnswerFields("choice", b'{"native_finish_reason":"STOP"}'), STOPPED],
    ),
    # Chaos 17: the client requested it again, and paid for each.
    "a whole completion in place of a requested stream": (
        json.dumps(WHOLE).encode(),
        [HI, UsageReported(9, 1), STOPPED],
    ),
    "a whole completion, indented, with a byte-order mark": (
        b"\xef\xbb\xbf" + json.dumps(WHOLE, indent=2).replace("\n", "\r\n").encode() + b"\r\n",
        [HI, UsageReported(9, 1), STOPPED],
    ),
    "a whole completion as one event": (data(WHOLE) + DONE, [HI, UsageReported(9, 1), STOPPED]),
    "chunks as lines of JSON": (
        b"".join(event[6:-1] for event in (TEXT, TEXT, STOP)),
        [HI, HI, STOPPED],
    ),
    "the last event without its blank line": (TEXT + STOP.rstrip(b"\n"), [HI, STOPPED]),
    "[DONE] without its blank line": (TEXT + STOP + b"data: [DONE]", [HI, STOPPED]),
    "a duplicate finish and [DONE]": (TEXT + STOP + STOP + DONE + DONE, [HI, STOPPED]),
    "text after the finish": (TEXT + STOP + TEXT + DONE, [HI, HI, STOPPED]),
}


@pytest.mark.parametrize(("stream", "events"), ANSWERS.values(), ids=ANSWERS)
def test_chat_parser_reads_every_field_with_a_meaning(stream: bytes, events: list[Event]) -> None:
    assert_events(stream, events)


FAILURES: dict[str, tuple[bytes, ErrorCode]] = {
    "an error as plain JSON": (b'{"error":{"code":"insufficient_quota","message":"x"}}', "provider_quota_exhausted"),
    "a rate limit as plain JSON": (b'{"error":{"code":429}}', "provider_rate_limited"),
    "a content filter as plain JSON": (b'{"error":{"code":"content_filter"}}', "content_policy_violation"),
    "too long as plain JSON": (b'{"error":{"code":"context_length_exceeded"}}', "context_length_exceeded"),
    "an error between the events, without data:": (TEXT + b'{"error":{"code":429}}\n\n' + END, "provider_rate_limited"),
    "an aborted answer": (TEXT + chunk({}, "abort") + DONE, "provider_unavailable"),
    "a whole body that is no answer": (b'{"status":"ok"}', "provider_stream_broken"),
    "a whole body that is cut": (json.dumps(WHOLE).encode()[:-9], "provider_stream_broken"),
}


@pytest.mark.parametrize(("stream", "code"), FAILURES.values(), ids=FAILURES)
def test_chat_parser_reads_an_error_wherever_it_stands(stream: bytes, code: ErrorCode) -> None:
    assert parse(ChatParser(), stream)[1] == code


def test_chat_parser_gives_the_names_of_fields_that_are_too_large() -> None:
    found, code = parse(ChatParser(), chunk({"audio": {"data": "A" * 5_000_000}, "tone": "warm"}) + END)

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
