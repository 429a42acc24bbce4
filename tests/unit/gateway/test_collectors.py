"""Whole answers, for clients that did not request a stream."""

import base64
import struct

import msgspec
import pytest
from openai.types.chat import ChatCompletion as OpenAICompletion

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import (
    Embedded,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.embeddings_collector import EmbeddingsCollector

USAGE = UsageReported(9, 2, 4, 1)
STOP = Finished("stop")


def completion(*events: Event) -> dict[str, object]:
    collector = ChatCollector("chatcmpl-1", 1_700_000_000, "gpt")
    assert b"".join(collector.render(event) for event in events) == b""
    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(collector.completion()))
    OpenAICompletion.model_validate(found)
    return found


def choice(*events: Event) -> object:
    [found] = completion(*events)["choices"]  # type: ignore[misc]
    return found


def test_chat_collector_joins_the_text_and_adds_the_usage() -> None:
    assert completion(TextDelta("Hel"), TextDelta("lo"), USAGE, STOP) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 2,
            "total_tokens": 11,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }


def test_chat_collector_leaves_usage_out_without_a_count() -> None:
    assert "usage" not in completion(TextDelta("Hi"), STOP)


def test_chat_collector_joins_tool_calls_in_their_order() -> None:
    assert choice(
        ToolCallDelta(1, "b", "time", "{}"),
        ToolCallDelta(0, "a", "weather", '{"city":'),
        ToolCallDelta(0, None, None, '"Oslo"}'),
        Finished("tool_calls"),
    ) == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
                {"id": "b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
            ],
        },
        "finish_reason": "tool_calls",
        "logprobs": None,
    }


def test_chat_collector_joins_an_id_and_a_name_of_different_pieces() -> None:
    found = choice(ToolCallDelta(0, "a", None, ""), ToolCallDelta(0, None, "weather", "{}"), Finished("tool_calls"))

    assert found["message"]["tool_calls"] == [  # type: ignore[index]
        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    ]


def test_chat_collector_puts_a_refusal_into_its_own_field() -> None:
    found = choice(RefusalDelta("I "), RefusalDelta("won't"), STOP)

    assert found["message"] == {"role": "assistant", "content": None, "refusal": "I won't"}  # type: ignore[index]


def test_chat_collector_puts_reasoning_beside_the_content() -> None:
    found = choice(ReasoningDelta("h"), ReasoningDelta("m"), TextDelta("Hi"), STOP)

    assert found["message"] == {  # type: ignore[index]
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "reasoning_content": "hm",
    }


def test_chat_collector_gives_an_empty_answer_empty_content() -> None:
    assert choice(STOP)["message"]["content"] == ""  # type: ignore[index]


def test_chat_collector_raises_for_an_answer_that_failed_midway() -> None:
    with pytest.raises(PenstockError) as error:
        completion(TextDelta("Hel"), Failed(ErrorDetail("worker_lost", "words")))

    assert error.value.detail == ErrorDetail("worker_lost", "words")


def vector(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def embeddings(*events: Event) -> EmbeddingsCollector:
    collector = EmbeddingsCollector("minilm")
    for event in events:
        assert collector.render(event) == b""
    return collector


def test_embeddings_collector_orders_vectors_by_input() -> None:
    collector = embeddings(Embedded(1, vector(3, 4)), Embedded(0, vector(1, 2)), UsageReported(5, 0), STOP)

    assert msgspec.json.decode(msgspec.json.encode(collector.response("float"))) == {
        "object": "list",
        "model": "minilm",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1, 2]},
            {"object": "embedding", "index": 1, "embedding": [3, 4]},
        ],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }


def test_embeddings_collector_encodes_base64_as_little_endian_float32() -> None:
    [found] = embeddings(Embedded(0, vector(0.5, -2)), STOP).response("base64").data

    assert isinstance(found.embedding, str)
    assert struct.unpack("<2f", base64.b64decode(found.embedding)) == (0.5, -2)


def test_embeddings_collector_raises_for_a_failed_call() -> None:
    with pytest.raises(PenstockError) as error:
        embeddings(Embedded(0, vector(1)), Failed(ErrorDetail("worker_lost", "words"))).vectors()

    assert error.value.code == "worker_lost"
