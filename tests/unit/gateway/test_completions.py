"""OpenAI's older Completions API: the bytes of its stream, and its whole answers."""

import json
from typing import Any

import msgspec
import pytest
from openai.types import Completion

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import (
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.completions.completion_collector import CompletionCollector
from penstock_gateway.streaming.renderers.completions.completion_stream import CompletionStreamRenderer

HEAD = b'data: {"id":"cmpl-1","created":1700000000,"model":"gpt","choices":['
TAIL = b'],"object":"text_completion"}\n\n'
COUNTED = b'],"usage":null,"object":"text_completion"}\n\n'
DONE = b"data: [DONE]\n\n"


def piece(text: bytes, reason: bytes = b"null", index: int = 0) -> bytes:
    return b'{"text":"%b","index":%d,"logprobs":null,"finish_reason":%b}' % (text, index, reason)


def logprobs(*tokens: str) -> AnswerFields:
    top = [{"token": "x", "logprob": -2.5}]
    content = [{"token": token, "logprob": -0.5, "top_logprobs": top} for token in tokens]
    return AnswerFields("choice", json.dumps({"logprobs": {"content": content}}).encode())


def render(*events: Event, choices: int = 1, include_usage: bool = False) -> bytes:
    renderer = CompletionStreamRenderer(choices, "cmpl-1", 1_700_000_000, "gpt", include_usage=include_usage)
    return b"".join(renderer.render(event) for event in events)


def chunks(data: bytes) -> list[dict[str, Any]]:
    found = [json.loads(event.removeprefix("data: ")) for event in data.decode().split("\n\n")[:-2]]
    for one in found:
        Completion.model_validate({**one, "choices": [c | {"finish_reason": "stop"} for c in one["choices"]]})
    return found


def whole(*events: Event, choices: int = 1) -> dict[str, Any]:
    collector = CompletionCollector(choices, "cmpl-1", 1_700_000_000, "gpt")
    assert b"".join(collector.render(event) for event in events) == b""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(collector.completion()))
    Completion.model_validate(found)
    return found


STREAMS: dict[str, tuple[bool, list[Event], bytes]] = {
    "a text": (
        False,
        [TextDelta("Hel"), TextDelta("lo"), UsageReported(9, 2), Finished("stop")],
        HEAD + piece(b"Hel") + TAIL + HEAD + piece(b"lo") + TAIL + HEAD + piece(b"", b'"stop"') + TAIL + DONE,
    ),
    "a count": (
        True,
        [TextDelta("Hi"), UsageReported(9, 2, 4, 1), Finished("length")],
        HEAD
        + piece(b"Hi")
        + COUNTED
        + HEAD
        + piece(b"", b'"length"')
        + COUNTED
        + HEAD
        + b'],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":'
        b'{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}},"object":"text_completion"}\n\n'
        + DONE,
    ),
    "a refusal, and a reasoning that has no place": (
        False,
        [ReasoningDelta("hm"), RefusalDelta("No"), Finished("content_filter")],
        HEAD + piece(b"No") + TAIL + HEAD + piece(b"", b'"content_filter"') + TAIL + DONE,
    ),
    "a failure": (
        False,
        [TextDelta("Hi"), Failed(ErrorDetail("worker_lost", "lost"))],
        HEAD
        + piece(b"Hi")
        + TAIL
        + b'data: {"error":{"message":"lost","type":"api_error","param":null,"code":"worker_lost"}}\n\n',
    ),
}


@pytest.mark.parametrize("case", STREAMS)
def test_completion_stream_has_exactly_these_bytes(case: str) -> None:
    include_usage, events, expected = STREAMS[case]

    assert render(*events, include_usage=include_usage) == expected


def test_completion_stream_numbers_choices() -> None:
    events = [
        *(TextDelta("a"), ChoiceSwitched(1), TextDelta("b"), ChoiceFinished("length"), ChoiceSwitched(0)),
        *(ChoiceFinished("stop"), Finished("stop")),
    ]

    found = [one["choices"][0] for one in chunks(render(*events, choices=2))]

    assert [(one["index"], one["text"], one["finish_reason"]) for one in found] == [
        (0, "a", None),
        (1, "b", None),
        (1, "", "length"),
        (0, "", "stop"),
    ]
    assert [(one["index"], one["text"], one["finish_reason"]) for one in whole(*events, choices=2)["choices"]] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]


def test_completion_stream_has_offsets_beside_each_token() -> None:
    events = [logprobs("He", "l"), TextDelta("Hel"), logprobs("lo"), TextDelta("lo"), Finished("stop")]

    found = [one["choices"][0]["logprobs"] for one in chunks(render(*events))]

    assert [one and (one["tokens"], one["text_offset"]) for one in found] == [
        (["He", "l"], [0, 2]),
        (["lo"], [3]),
        None,
    ]
    assert whole(*events)["choices"][0]["logprobs"] == {
        "tokens": ["He", "l", "lo"],
        "token_logprobs": [-0.5, -0.5, -0.5],
        "top_logprobs": [{"x": -2.5}] * 3,
        "text_offset": [0, 2, 3],
    }


def test_completion_collector_answers_whole() -> None:
    fingerprint = AnswerFields("answer", b'{"system_fingerprint":"fp"}')

    found = whole(fingerprint, TextDelta("Hel"), TextDelta("lo"), UsageReported(9, 2), Finished("stop"))

    assert found == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "gpt",
        "system_fingerprint": "fp",
        "choices": [{"index": 0, "text": "Hello", "logprobs": None, "finish_reason": "stop"}],
        "usage": found["usage"],
    }
    assert found["usage"]["total_tokens"] == 11


def test_completion_collector_raises_the_failure() -> None:
    collector = CompletionCollector(1, "cmpl-1", 0, "gpt")
    collector.render(Failed(ErrorDetail("worker_lost", "lost")))

    with pytest.raises(PenstockError):
        collector.completion()
