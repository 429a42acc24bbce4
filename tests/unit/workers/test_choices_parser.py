"""Answers of several choices: each choice's events are those that it would have alone."""

import json
from typing import Any

import pytest
from unit.support.parsing import assert_parsed_however_cut, parse

from penstock_contract.stream.events import (
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Event,
    Finished,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_worker.providers.openai.choices_parser import ChoicesParser

DONE = b"data: [DONE]\n\n"
ZERO, ONE = ChoiceSwitched(0), ChoiceSwitched(1)
STOP = ChoiceFinished("stop")


def data(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def choice(index: int, finish_reason: str | None = None, logprobs: Any = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def chunk(*choices: dict[str, Any], **fields: Any) -> bytes:
    return data({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": list(choices), **fields})


def usage(output: int, *choices: dict[str, Any], **fields: Any) -> bytes:
    return chunk(*choices, usage={"prompt_tokens": 9, "completion_tokens": output, **fields})


ENDS = chunk(choice(0, "stop")) + chunk(choice(1, "stop"))
END_EVENTS: list[Event] = [STOP, ONE, STOP]

ANSWERS: dict[str, tuple[bytes, list[Event]]] = {
    "choices that alternate": (
        chunk(choice(0, content="a"))
        + chunk(choice(1, content="x"))
        + chunk(choice(0, content="b"))
        + ENDS
        + usage(3)
        + DONE,
        [
            TextDelta("a"),
            ONE,
            TextDelta("x"),
            ZERO,
            TextDelta("b"),
            *END_EVENTS,
            UsageReported(9, 3),
            Finished("stop"),
        ],
    ),
    "choices in one chunk": (
        chunk(choice(0, content="a"), choice(1, content="x")) + chunk(choice(0, "length"), choice(1, "stop")) + DONE,
        [TextDelta("a"), ONE, TextDelta("x"), ZERO, ChoiceFinished("length"), ONE, STOP, Finished("length")],
    ),
    "one choice after the other": (
        chunk(choice(1, content="x"))
        + chunk(choice(1, "stop"))
        + chunk(choice(0, content="a"))
        + chunk(choice(0, "stop"))
        + DONE,
        [ONE, TextDelta("x"), ZERO, TextDelta("a"), *END_EVENTS, Finished("stop")],
    ),
    "fields beside the choices, once": (
        chunk(choice(0, content="a"), system_fingerprint="fp")
        + chunk(choice(1, content="x"), system_fingerprint="fp")
        + ENDS
        + DONE,
        [
            AnswerFields("answer", b'{"system_fingerprint":"fp"}'),
            TextDelta("a"),
            ONE,
            TextDelta("x"),
            ZERO,
            *END_EVENTS,
            Finished("stop"),
        ],
    ),
    "log probabilities of each": (
        chunk(choice(0, logprobs={"content": [1]}, content="a"))
        + chunk(choice(1, logprobs={"content": [2]}, content="x"))
        + ENDS
        + DONE,
        [
            AnswerFields("choice", b'{"logprobs":{"content":[1]}}'),
            TextDelta("a"),
            ONE,
            AnswerFields("choice", b'{"logprobs":{"content":[2]}}'),
            TextDelta("x"),
            ZERO,
            *END_EVENTS,
            Finished("stop"),
        ],
    ),
    "a provider that ignores n": (
        chunk(choice(0, content="a")) + chunk(choice(0, "stop")) + usage(1) + DONE,
        [TextDelta("a"), STOP, UsageReported(9, 1), Finished("stop")],
    ),
    "more choices than were requested": (
        chunk(choice(0, content="a"))
        + chunk(choice(7, content="x"))
        + chunk(choice(-1, content="y"))
        + chunk(choice(0, "stop"))
        + DONE,
        [TextDelta("a"), STOP, Finished("stop")],
    ),
    "a count that grows with each chunk": (
        usage(1, choice(0, content="a"))
        + usage(2, choice(1, content="x"))
        + usage(3, choice(0, "stop"))
        + usage(4, choice(1, "stop"))
        + DONE,
        [TextDelta("a"), ONE, TextDelta("x"), ZERO, *END_EVENTS, UsageReported(9, 4), Finished("stop")],
    ),
    "a count of the input alone": (
        chunk(choice(0, content="a")) + chunk(choice(1, content="x" * 40)) + ENDS + usage(0) + DONE,
        [
            TextDelta("a"),
            ONE,
            TextDelta("x" * 40),
            ZERO,
            *END_EVENTS,
            UsageReported(9, 8, estimated=True),
            Finished("stop"),
        ],
    ),
    "indexes as texts": (
        chunk({**choice(0, content="a"), "index": "0"}) + chunk({**choice(1, content="x"), "index": "1"}) + ENDS + DONE,
        [TextDelta("a"), ONE, TextDelta("x"), ZERO, *END_EVENTS, Finished("stop")],
    ),
    "a whole answer": (
        json.dumps(
            {
                "object": "chat.completion",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"},
                    {"index": 1, "message": {"role": "assistant", "content": "x"}, "finish_reason": "length"},
                ],
                "usage": {"prompt_tokens": 9, "completion_tokens": 2},
            }
        ).encode(),
        [
            TextDelta("a"),
            ONE,
            TextDelta("x"),
            ZERO,
            STOP,
            ONE,
            ChoiceFinished("length"),
            UsageReported(9, 2),
            Finished("stop"),
        ],
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_choices_parser_gives_each_choice_its_events(case: str) -> None:
    stream, expected = ANSWERS[case]

    assert parse(ChoicesParser(2), stream) == (expected, None)


def test_choices_parser_gives_the_same_however_the_body_is_cut() -> None:
    stream, expected = ANSWERS["choices that alternate"]

    assert_parsed_however_cut(lambda: ChoicesParser(2), stream, (expected, None))


def test_choices_parser_makes_ids_for_calls_that_differ_between_choices() -> None:
    part = {"function": {"name": "f", "arguments": "{}"}}

    events, error = parse(
        ChoicesParser(2), chunk(choice(0, tool_calls=[part]), choice(1, tool_calls=[part])) + ENDS + DONE
    )

    calls = [event.id for event in events if isinstance(event, ToolCallDelta)]
    assert error is None
    assert len(set(calls)) == 2
    assert [event.reason for event in events if isinstance(event, ChoiceFinished)] == ["tool_calls", "tool_calls"]


@pytest.mark.parametrize(
    "stream",
    [
        DONE,
        b"",
        chunk(choice(0, content="a")) + chunk(choice(1, "stop")) + DONE,
        chunk(choice(0, content="a")) + b"data: {\n\n",
    ],
    ids=["nothing", "an empty body", "a choice without an end", "no JSON"],
)
def test_choices_parser_fails_when_a_choice_is_not_whole(stream: bytes) -> None:
    assert parse(ChoicesParser(2), stream)[1] == "provider_stream_broken"


def test_choices_parser_raises_an_error_of_the_stream() -> None:
    stream = chunk(choice(1, content="x")) + data({"error": {"message": "overloaded", "type": "server_error"}})

    assert parse(ChoicesParser(2), stream)[1] == "provider_unavailable"
