"""Fields of a provider's answer without an event reach clients of its dialect where the SDKs read them."""

import json
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from penstock_contract.stream.events import AnswerFields, Event, Finished, TextDelta, ToolCallDelta, UsageReported
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.chat_stream import ChatStreamRenderer
from penstock_gateway.streaming.renderers.renderer import encode_json
from penstock_gateway.streaming.renderers.simple import SimpleRenderer

SIGNATURE = {"google": {"thought_signature": "c2lnLTE="}}
CITED = {
    "type": "url_citation",
    "url_citation": {"url": "https://e.org/a", "title": "A", "start_index": 0, "end_index": 2},
}
STOP = Finished("stop")


def fields(place: str, **found: Any) -> AnswerFields:
    return AnswerFields(place, json.dumps(found).encode())  # type: ignore[arg-type]


def chunks(*events: Event, include_usage: bool = True) -> list[ChatCompletionChunk]:
    renderer = ChatStreamRenderer("c1", 1, "gpt", include_usage=include_usage)
    stream = b"".join(renderer.render(event) for event in events)
    lines = [line[6:] for line in stream.split(b"\n\n") if line and line != b"data: [DONE]"]
    return [ChatCompletionChunk.model_validate_json(line, strict=True) for line in lines]


def completion(*events: Event) -> ChatCompletion:
    collector = ChatCollector("c1", 1, "gpt")
    for event in events:
        assert collector.render(event) == b""
    return ChatCompletion.model_validate_json(encode_json(collector.completion()), strict=True)


def test_stream_renderer_repeats_tier_and_fingerprint_in_every_chunk() -> None:
    # openai-python's stream helper keeps the last chunk's.
    found = chunks(
        fields("answer", service_tier="default", system_fingerprint="fp"), TextDelta("Hi"), UsageReported(1, 1), STOP
    )

    assert [(chunk.service_tier, chunk.system_fingerprint) for chunk in found] == [("default", "fp")] * 3
    assert found[0].choices[0].delta.role == "assistant"


def test_stream_renderer_sends_long_fields_once_and_at_the_end() -> None:
    found = chunks(fields("answer", citations=["https://e.org/a"]), TextDelta("Hi"), TextDelta("Ho"), STOP)

    assert [(chunk.model_extra or {}).get("citations") for chunk in found] == [
        ["https://e.org/a"],
        None,
        None,
        ["https://e.org/a"],
    ]


def test_stream_renderer_puts_fields_of_a_delta_into_a_delta() -> None:
    found = chunks(TextDelta("Hi"), fields("delta", annotations=[CITED], reasoning_details=[{"type": "x"}]), STOP)

    assert found[1].choices[0].delta.model_extra == {"annotations": [CITED], "reasoning_details": [{"type": "x"}]}


def test_stream_renderer_puts_fields_of_a_call_into_the_call() -> None:
    extra = json.dumps({"extra_content": SIGNATURE, "function": {"parsed": True}}).encode()
    [called, _] = chunks(ToolCallDelta(0, "p1", "f", "{}", extra), Finished("tool_calls"))

    [call] = called.choices[0].delta.tool_calls or []
    assert (call.index, call.id, call.type) == (0, "p1", "function")
    assert call.model_extra == {"extra_content": SIGNATURE}
    assert call.function is not None
    assert call.function.model_extra == {"parsed": True}


def test_stream_renderer_puts_fields_of_a_choice_beside_the_finish() -> None:
    found = chunks(TextDelta("Hi"), fields("choice", native_finish_reason="STOP"), STOP)

    assert found[-1].choices[0].model_extra == {"native_finish_reason": "STOP"}
    assert found[-1].choices[0].finish_reason == "stop"


def test_stream_renderer_never_replaces_its_own_fields() -> None:
    found = chunks(
        fields("answer", id="x", model="y", usage={"a": 1}), fields("delta", role="user"), TextDelta("Hi"), STOP
    )

    assert {chunk.id for chunk in found} == {"c1"}
    assert {chunk.model for chunk in found} == {"gpt"}
    assert found[0].choices[0].delta.role in {"assistant", None}


def test_stream_renderer_sends_further_counts_with_the_usage() -> None:
    details = b'{"cost":0.25,"completion_tokens_details":{"accepted_prediction_tokens":4}}'
    found = chunks(TextDelta("Hi"), UsageReported(9, 7, 1, 2, 3, details), STOP)

    usage = found[-1].usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.accepted_prediction_tokens == 4
    assert usage.completion_tokens_details.reasoning_tokens == 2
    assert usage.model_extra == {"cost": 0.25}


def test_collector_puts_every_field_where_the_sdk_reads_it() -> None:
    found = completion(
        fields("answer", service_tier="default", citations=["https://e.org/a"]),
        TextDelta("Hi"),
        fields("delta", annotations=[CITED]),
        ToolCallDelta(0, "p1", "f", "{}", json.dumps({"extra_content": SIGNATURE}).encode()),
        fields("choice", native_finish_reason="STOP"),
        UsageReported(9, 7, 0, 0, 0, b'{"completion_tokens_details":{"accepted_prediction_tokens":4}}'),
        Finished("tool_calls"),
    )

    message = found.choices[0].message
    assert found.service_tier == "default"
    assert found.model_extra == {"citations": ["https://e.org/a"]}
    assert message.annotations is not None
    assert message.annotations[0].url_citation.url == "https://e.org/a"
    assert message.tool_calls is not None
    assert message.tool_calls[0].model_extra == {"extra_content": SIGNATURE}
    assert found.choices[0].model_extra == {"native_finish_reason": "STOP"}
    assert found.usage is not None
    assert found.usage.completion_tokens_details is not None
    assert found.usage.completion_tokens_details.accepted_prediction_tokens == 4


def test_collector_joins_the_pieces_of_a_field() -> None:
    found = completion(
        fields("delta", reasoning_details=[{"type": "reasoning.text", "text": "h", "index": 0}]),
        fields("delta", reasoning_details=[{"type": "reasoning.text", "text": "m", "index": 0}]),
        fields("delta", reasoning_details=[{"type": "reasoning.text", "signature": "EqQB", "index": 0}]),
        fields("delta", reasoning_details=[{"type": "reasoning.encrypted", "data": "A", "index": 1}]),
        fields("delta", audio={"id": "a1", "transcript": "He", "data": "AA"}),
        fields("delta", audio={"id": "a1", "transcript": "llo", "data": "BB", "expires_at": 9}),
        TextDelta("Hi"),
        STOP,
    )

    message = found.choices[0].message
    assert (message.model_extra or {})["reasoning_details"] == [
        {"type": "reasoning.text", "text": "hm", "index": 0, "signature": "EqQB"},
        {"type": "reasoning.encrypted", "data": "A", "index": 1},
    ]
    assert message.audio is not None
    assert (message.audio.id, message.audio.transcript, message.audio.data) == ("a1", "Hello", "AABB")


def test_answer_fields_encode_an_integer_beyond_64_bits_as_a_number() -> None:
    found = completion(TextDelta("Hi"), AnswerFields("answer", b'{"nonce":%d}' % 2**70), STOP)

    assert found.model_extra == {"nonce": float(2**70)}


def test_simple_renderer_leaves_fields_out() -> None:
    assert SimpleRenderer().render(fields("delta", annotations=[CITED])) == b""
