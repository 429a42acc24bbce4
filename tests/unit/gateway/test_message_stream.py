"""The bytes of Anthropic's Messages API, written out, and read by its Python SDK's rules."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Failed,
    Finished,
    NativeEvent,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.anthropic.message_events import MessageEvents
from penstock_gateway.streaming.renderers.anthropic.options import MessageOptions
from penstock_gateway.streaming.renderers.anthropic.stream import PING, MessageStreamRenderer

STOP = Finished("stop")
USAGE = UsageReported(90, 20, cached_input_tokens=30, reasoning_tokens=4, cache_write_input_tokens=10)
LOST = Failed(ErrorDetail("worker_lost", "the worker that served this request ended"))


def renderer(*, with_thinking: bool = True, stops: tuple[str, ...] = ()) -> MessageStreamRenderer:
    return MessageStreamRenderer(
        MessageEvents("req_1", "fast", MessageOptions.of(25, stops, with_thinking=with_thinking))
    )


def render(events: Iterable[Event], **options: Any) -> bytes:
    made = renderer(**options)
    return b"".join(made.render(event) for event in events)


def sse(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


START = sse(
    "message_start",
    '{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"fast","content":[],'
    '"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null,"usage":{"input_tokens":25,'
    '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,'
    '"ephemeral_1h_input_tokens":0},"output_tokens":0,"output_tokens_details":null,"server_tool_use":null,'
    '"service_tier":null,"inference_geo":null}}}',
)
MESSAGE_STOP = sse("message_stop", '{"type":"message_stop"}')


def block(index: int, fields: str) -> bytes:
    return sse("content_block_start", f'{{"type":"content_block_start","index":{index},"content_block":{fields}}}')


def delta(index: int, fields: str) -> bytes:
    return sse("content_block_delta", f'{{"type":"content_block_delta","index":{index},"delta":{fields}}}')


def text(index: int, words: str) -> bytes:
    return delta(index, f'{{"type":"text_delta","text":{words}}}')


def stop(index: int) -> bytes:
    return sse("content_block_stop", f'{{"type":"content_block_stop","index":{index}}}')


def end(reason: str, usage: str, sequence: str = "null") -> bytes:
    return (
        sse(
            "message_delta",
            f'{{"type":"message_delta","delta":{{"stop_reason":"{reason}","stop_sequence":{sequence},'
            f'"stop_details":null,"container":null}},"usage":{usage}}}',
        )
        + MESSAGE_STOP
    )


TEXT_BLOCK = '{"type":"text","text":"","citations":null}'
THINKING_BLOCK = '{"type":"thinking","thinking":"","signature":""}'
COUNTED = (
    '{"input_tokens":50,"cache_creation_input_tokens":10,"cache_read_input_tokens":30,"output_tokens":20,'
    '"output_tokens_details":{"thinking_tokens":4},"server_tool_use":null}'
)
GOLDEN: dict[str, tuple[list[Event], bytes]] = {
    "text": (
        [TextDelta("Hel"), TextDelta("lo"), USAGE, STOP],
        START + block(0, TEXT_BLOCK) + text(0, '"Hel"') + text(0, '"lo"') + stop(0) + end("end_turn", COUNTED),
    ),
    "text that JSON must escape": (
        [TextDelta("a"), TextDelta('"\n\u2028é🌍'), USAGE, STOP],
        START
        + block(0, TEXT_BLOCK)
        + text(0, '"a"')
        + text(0, '"\\"\\n\u2028é🌍"')
        + stop(0)
        + end("end_turn", COUNTED),
    ),
    "thinking, then text, and no count": (
        [ReasoningDelta("so"), TextDelta("yes, indeed it is"), Finished("length")],
        START
        + block(0, THINKING_BLOCK)
        + delta(0, '{"type":"thinking_delta","thinking":"so"}')
        + delta(0, '{"type":"signature_delta","signature":"penstock"}')
        + stop(0)
        + block(1, TEXT_BLOCK)
        + text(1, '"yes, indeed it is"')
        + stop(1)
        + end("max_tokens", '{"output_tokens":0}'),
    ),
    "a tool call": (
        [ToolCallDelta(0, "c1", "now", ""), ToolCallDelta(0, None, None, "{}"), USAGE, Finished("tool_calls")],
        START
        + block(0, '{"type":"tool_use","id":"c1","name":"now","input":{},"caller":{"type":"direct"}}')
        + delta(0, '{"type":"input_json_delta","partial_json":"{}"}')
        + stop(0)
        + end("tool_use", COUNTED),
    ),
    "a refusal": (
        [RefusalDelta("no"), USAGE, STOP],
        START + block(0, TEXT_BLOCK) + text(0, '"no"') + stop(0) + end("refusal", COUNTED),
    ),
    "nothing at all": ([USAGE, Finished("content_filter")], START + end("refusal", COUNTED)),
    "a failure midway": (
        [TextDelta("Hel"), LOST],
        START
        + block(0, TEXT_BLOCK)
        + text(0, '"Hel"')
        + sse(
            "error",
            '{"error":{"type":"api_error","message":"the worker that served this request ended",'
            '"code":"worker_lost","param":null},"request_id":"req_1","type":"error"}',
        ),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_message_renderer_writes_these_bytes(name: str) -> None:
    events, expected = GOLDEN[name]

    assert render(events) == expected


def native(name: str, index: int = -1, length: int = 0, /, **fields: Any) -> NativeEvent:
    return NativeEvent(name, json.dumps({"type": name, **fields}, separators=(",", ":")).encode(), length, index)


def test_message_renderer_passes_events_of_the_same_api_byte_for_byte() -> None:
    opaque = NativeEvent("content_block_start", b'{"type":"content_block_start", "index":1,"content_block":{"z":1e2}}')
    unknown = NativeEvent("new_thing", b'{"type":"new_thing","big":123456789012345678901234567890}')
    events: list[Event] = [
        native("content_block_start", 0, content_block={"type": "text", "text": ""}, index=0),
        TextDelta("Hi"),
        native("content_block_stop", index=0),
        opaque,
        unknown,
        native("message_stop", extra=1),
        USAGE,
        STOP,
    ]

    assert render(events) == (
        sse(
            "content_block_start",
            '{"type":"content_block_start","content_block":{"type":"text","text":""},"index":0}',
        )
        + text(0, '"Hi"')
        + stop(0)
        + sse("content_block_start", opaque.data.decode())
        + sse("new_thing", unknown.data.decode())
        + sse("message_stop", '{"type":"message_stop","extra":1}')
    )


def objects(data: bytes) -> list[Any]:
    return [json.loads(event.partition(b"\ndata: ")[2]) for event in data.split(b"\n\n") if event]


def test_message_renderer_gives_a_native_start_the_requested_model_and_every_count() -> None:
    [start] = objects(
        render(
            [native("message_start", message={"id": "msg_p", "model": "p-1", "container": {"id": "c"}, "usage": None})]
        )
    )

    message = start["message"]
    assert (message["id"], message["model"], message["container"]) == ("msg_p", "fast", {"id": "c"})
    assert message["content"] == []
    assert message["usage"]["input_tokens"] == 25
    assert message["usage"]["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}


def test_message_renderer_keeps_a_native_usage_and_fills_only_what_is_missing() -> None:
    usage = {"input_tokens": 3, "output_tokens": 1, "speed": "fast", "service_tier": "priority"}
    [start, ended] = objects(
        render(
            [
                native("message_start", message={"usage": usage}),
                native("message_delta", delta={"stop_reason": "pause_turn"}, usage={"output_tokens": None}, more=1),
            ]
        )
    )

    assert start["message"]["usage"].items() >= usage.items()
    assert ended == {
        "type": "message_delta",
        "delta": {"stop_reason": "pause_turn"},
        "usage": {"output_tokens": 0},
        "more": 1,
    }


def test_message_renderer_writes_no_error_after_the_end() -> None:
    made = renderer()
    made.render(native("message_stop"))

    assert made.render(LOST) == b""


def test_message_renderer_leaves_thinking_out_where_the_client_did_not_request_it() -> None:
    assert [
        one["type"] for one in objects(render([ReasoningDelta("so"), TextDelta("a"), STOP], with_thinking=False))
    ] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("name", ["stop_reason", "matched_stop"])
def test_message_renderer_names_the_stop_sequence_that_the_server_names(name: str) -> None:
    fields = AnswerFields("choice", json.dumps({name: "END"}).encode())
    found = objects(render([TextDelta("a"), fields, STOP], stops=("END",)))[-2]

    assert (found["delta"]["stop_reason"], found["delta"]["stop_sequence"]) == ("stop_sequence", "END")


def test_message_renderer_ignores_a_stop_that_the_client_did_not_send() -> None:
    fields = AnswerFields("choice", b'{"stop_reason":"</s>"}')

    assert objects(render([TextDelta("a"), fields, STOP], stops=("END",)))[-2]["delta"]["stop_reason"] == "end_turn"


def test_message_renderer_passes_the_signature_of_a_call_that_its_provider_requires() -> None:
    call = ToolCallDelta(0, "c", "f", "{}", b'{"extra_content":{"google":{"thought_signature":"c2ln"}},"other":1}')
    found = objects(render([call, Finished("tool_calls")]))[1]["content_block"]

    assert found["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert "other" not in found


@pytest.mark.parametrize("native_block", [True, False])
def test_message_renderer_has_the_bytes_around_a_next_text_while_a_text_is_open(*, native_block: bool) -> None:
    made = renderer()
    assert made.around_text() is None
    if native_block:
        made.render(native("content_block_start", 3, content_block={"type": "text", "text": ""}, index=3))
    made.render(TextDelta("a"))

    around = made.around_text()

    assert around is not None
    assert around[0] + b'"b"' + around[1] == made.render(TextDelta("b"))
    made.render(native("content_block_stop", index=3) if native_block else ToolCallDelta(0, "c", "f", "{}"))
    assert made.around_text() is None


def test_message_ping_is_an_event_that_clients_skip() -> None:
    assert PING == b'event: ping\ndata: {"type":"ping"}\n\n'
