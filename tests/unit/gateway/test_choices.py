"""Several choices in OpenAI's dialect, and log probabilities: as streams and as whole answers."""

import json
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import (
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Event,
    Failed,
    Finished,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.chat_stream import ChatStreamRenderer
from penstock_gateway.streaming.renderers.choices import ChoicesCollector, ChoicesStreamRenderer

ANSWER: list[Event] = [
    AnswerFields("answer", b'{"system_fingerprint":"fp"}'),
    TextDelta("a"),
    ChoiceSwitched(1),
    ToolCallDelta(0, "call_1", "f", "{}"),
    ChoiceSwitched(0),
    TextDelta("b"),
    ChoiceFinished("stop"),
    ChoiceSwitched(1),
    ChoiceFinished("tool_calls"),
    UsageReported(9, 5),
    Finished("stop"),
]
LOGPROBS: list[dict[str, Any]] = [
    {"content": [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None}
    for token in ("Hel", "lo")
]


def chunks(data: bytes) -> list[dict[str, Any]]:
    *events, done, rest = data.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    found = [json.loads(event.removeprefix("data: ")) for event in events]
    for one in found:
        ChatCompletionChunk.model_validate(one)
    return found


def streamed(*events: Event, choices: int = 2) -> list[dict[str, Any]]:
    renderer = ChoicesStreamRenderer(choices, "chatcmpl-1", 1_700_000_000, "gpt", include_usage=True)
    return chunks(b"".join(renderer.render(event) for event in events))


def whole(*events: Event, choices: int = 2) -> dict[str, Any]:
    collector = ChoicesCollector(choices, "chatcmpl-1", 1_700_000_000, "gpt")
    assert b"".join(collector.render(event) for event in events) == b""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(collector.completion()))
    ChatCompletion.model_validate(found)
    return found


def logprobs(value: Any) -> AnswerFields:
    return AnswerFields("choice", json.dumps({"logprobs": value}).encode())


def test_choices_stream_numbers_each_choice_and_counts_once() -> None:
    *parts, last = streamed(*ANSWER)

    assert [(part["choices"][0]["index"], part["choices"][0]["delta"]) for part in parts] == [
        (0, {"role": "assistant", "content": "a"}),
        (
            1,
            {
                "role": "assistant",
                "tool_calls": [
                    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
        ),
        (0, {"content": "b"}),
        (0, {}),
        (1, {}),
    ]
    assert [part["choices"][0]["finish_reason"] for part in parts] == [None, None, None, "stop", "tool_calls"]
    assert {part["system_fingerprint"] for part in (*parts, last)} == {"fp"}
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 14)


def test_choices_collector_answers_with_all_of_them() -> None:
    found = whole(*ANSWER)

    assert found["system_fingerprint"] == "fp"
    assert found["usage"]["completion_tokens"] == 5
    assert [(one["index"], one["finish_reason"], one["message"]["content"]) for one in found["choices"]] == [
        (0, "stop", "ab"),
        (1, "tool_calls", None),
    ]


def test_choices_collector_answers_with_what_the_provider_sent() -> None:
    found = whole(TextDelta("a"), ChoiceFinished("stop"), Finished("stop"), choices=3)

    assert [one["index"] for one in found["choices"]] == [0]


def test_choices_collector_raises_the_failure() -> None:
    collector = ChoicesCollector(2, "chatcmpl-1", 0, "gpt")
    for event in (ChoiceSwitched(1), TextDelta("a"), Failed(ErrorDetail("worker_lost", "lost"))):
        collector.render(event)

    with pytest.raises(PenstockError) as error:
        collector.completion()

    assert error.value.code == "worker_lost"


def test_choices_stream_ignores_a_place_beyond_the_request() -> None:
    assert streamed(ChoiceSwitched(9), TextDelta("a"), ChoiceFinished("stop"), Finished("stop"))
    assert whole(ChoiceSwitched(-1), TextDelta("a"), ChoiceFinished("stop"), Finished("stop"))


def test_choices_keep_log_probabilities_apart() -> None:
    first, second = LOGPROBS
    events: list[Event] = [
        *(logprobs(first), TextDelta("Hel"), ChoiceSwitched(1), logprobs(second), TextDelta("lo")),
        *(ChoiceFinished("stop"), ChoiceSwitched(0), ChoiceFinished("stop"), Finished("stop")),
    ]

    assert [one["logprobs"] for one in whole(*events)["choices"]] == [first, second]
    assert [part["choices"][0]["logprobs"] for part in streamed(*events)] == [first, second, None, None]


def plain(*events: Event) -> list[dict[str, Any]]:
    renderer = ChatStreamRenderer("chatcmpl-1", 1_700_000_000, "gpt", include_usage=False)
    return chunks(b"".join(renderer.render(event) for event in events))


def test_chat_stream_has_a_token_and_its_log_probabilities_in_one_chunk() -> None:
    first, second = LOGPROBS
    found = plain(
        logprobs(first), TextDelta("Hel"), logprobs(second), TextDelta("lo"), TextDelta("!"), Finished("stop")
    )

    assert [(part["choices"][0]["delta"], part["choices"][0]["logprobs"]) for part in found] == [
        ({"role": "assistant", "content": "Hel"}, first),
        ({"content": "lo"}, second),
        ({"content": "!"}, None),
        ({}, None),
    ]


def test_chat_stream_sends_log_probabilities_without_a_text_too() -> None:
    first, second = LOGPROBS

    found = plain(TextDelta("Hel"), logprobs(first), logprobs(second), Finished("stop"))

    assert [part["choices"][0]["logprobs"] for part in found] == [None, first, second]


def test_chat_stream_sends_held_log_probabilities_before_an_error() -> None:
    renderer = ChatStreamRenderer("chatcmpl-1", 1_700_000_000, "gpt", include_usage=False)

    data = renderer.render(logprobs(LOGPROBS[0])) + renderer.render(Failed(ErrorDetail("worker_lost", "lost")))

    held, error, rest = data.decode().split("\n\n")
    assert json.loads(held.removeprefix("data: "))["choices"][0]["logprobs"] == LOGPROBS[0]
    assert "worker_lost" in error
    assert rest == ""


def test_chat_collector_joins_log_probabilities() -> None:
    collector = ChatCollector("chatcmpl-1", 1_700_000_000, "gpt")
    for event in (logprobs(LOGPROBS[0]), TextDelta("Hel"), logprobs(LOGPROBS[1]), TextDelta("lo"), Finished("stop")):
        collector.render(event)

    found = msgspec.to_builtins(collector.completion())

    ChatCompletion.model_validate(found)
    assert [one["token"] for one in found["choices"][0]["logprobs"]["content"]] == ["Hel", "lo"]
