"""The bytes of the renderers, written out: LF only, whole events, and no form on which real parsers fail."""

import json
from collections.abc import Iterable

import msgspec
import pytest
from openai._streaming import ServerSentEvent, SSEDecoder
from openai.types.chat import ChatCompletionChunk as OpenAIChunk

from penstock_contract.endpoint_responses import ChatChunk, ChatCompletionChunk
from penstock_contract.errors import ErrorBody, ErrorDetail
from penstock_contract.stream.events import (
    Accepted,
    Embedded,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.chat_stream import ChatStreamRenderer
from penstock_gateway.streaming.renderers.renderer import PING, Renderer
from penstock_gateway.streaming.renderers.simple import SimpleRenderer

USAGE = UsageReported(9, 2, 4, 1)
STOP = Finished("stop")
LOST = Failed(ErrorDetail("worker_lost", "the worker that served this request was lost"))
HEAD = b'data: {"id":"chatcmpl-1","created":1700000000,"model":"gpt"'
TEXT_HEAD = HEAD + b',"object":"chat.completion.chunk","choices":[{"index":0,"delta":'
ERROR = (
    b'{"error":{"message":"the worker that served this request was lost","type":"api_error",'
    b'"param":null,"code":"worker_lost"}}'
)


def openai_stream(*, include_usage: bool = False, model: str = "gpt") -> ChatStreamRenderer:
    return ChatStreamRenderer("chatcmpl-1", 1_700_000_000, model, include_usage=include_usage)


def render(renderer: Renderer, events: Iterable[Event]) -> bytes:
    return b"".join(renderer.render(event) for event in events)


SIMPLE: dict[str, tuple[list[Event], bytes]] = {
    "a chat": (
        [TextDelta("Hel"), TextDelta("lo"), USAGE, STOP],
        b'data: {"text":"Hel"}\n\ndata: {"text":"lo"}\n\ndata: [DONE]\n\n',
    ),
    "text that JSON must escape": (
        [TextDelta('"a"\n\r\u2028é🌍'), STOP],
        'data: {"text":"\\"a\\"\\n\\r\u2028é🌍"}\n\ndata: [DONE]\n\n'.encode(),
    ),
    "an error midway": (
        [TextDelta("Hel"), LOST],
        b'data: {"text":"Hel"}\n\nevent: error\ndata: ' + ERROR + b"\n\n",
    ),
    "a refusal, which is text for the reader here": (
        [RefusalDelta("I "), RefusalDelta("won't"), STOP],
        b'data: {"text":"I "}\n\ndata: {"text":"won\'t"}\n\ndata: [DONE]\n\n',
    ),
    "what this wire has no words for": (
        [ReasoningDelta("hm"), ToolCallDelta(0, "a", "f", "{}"), TextDelta("Hi"), USAGE, Finished("tool_calls")],
        b'data: {"text":"Hi"}\n\ndata: [DONE]\n\n',
    ),
    "nothing at all": ([STOP], b"data: [DONE]\n\n"),
}

OPENAI: dict[str, tuple[bool, list[Event], bytes]] = {
    "a chat": (
        False,
        [TextDelta("Hel"), TextDelta("lo"), USAGE, STOP],
        TEXT_HEAD
        + b'{"role":"assistant","content":"Hel"},"logprobs":null,"finish_reason":null}]}\n\n'
        + TEXT_HEAD
        + b'{"content":"lo"},"logprobs":null,"finish_reason":null}]}\n\n'
        + HEAD
        + b',"choices":[{"delta":{},"finish_reason":"stop","index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        b"data: [DONE]\n\n",
    ),
    "a chat with usage": (
        True,
        [TextDelta("Hi"), USAGE, Finished("length")],
        TEXT_HEAD
        + b'{"role":"assistant","content":"Hi"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
        + HEAD
        + b',"choices":[{"delta":{},"finish_reason":"length","index":0,"logprobs":null}],"usage":null,'
        b'"object":"chat.completion.chunk"}\n\n'
        + HEAD
        + b',"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,'
        b'"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}},'
        b'"object":"chat.completion.chunk"}\n\n'
        b"data: [DONE]\n\n",
    ),
    "usage that no provider counted": (
        True,
        [TextDelta("Hi"), STOP],
        TEXT_HEAD
        + b'{"role":"assistant","content":"Hi"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
        + HEAD
        + b',"choices":[{"delta":{},"finish_reason":"stop","index":0,"logprobs":null}],"usage":null,'
        b'"object":"chat.completion.chunk"}\n\n'
        b"data: [DONE]\n\n",
    ),
    "tool calls": (
        False,
        [
            ToolCallDelta(0, "call_a", "weather", ""),
            ToolCallDelta(0, None, None, '{"a":1}'),
            ToolCallDelta(1, "call_b", "time", "{}"),
            Finished("tool_calls"),
        ],
        HEAD + b',"choices":[{"delta":{"role":"assistant","tool_calls":[{"index":0,"function":{"arguments":"",'
        b'"name":"weather"},"id":"call_a","type":"function"}]},"finish_reason":null,"index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        + HEAD
        + b',"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":1}"}}]},'
        b'"finish_reason":null,"index":0,"logprobs":null}],"object":"chat.completion.chunk"}\n\n'
        + HEAD
        + b',"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}","name":"time"},'
        b'"id":"call_b","type":"function"}]},"finish_reason":null,"index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        + HEAD
        + b',"choices":[{"delta":{},"finish_reason":"tool_calls","index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        b"data: [DONE]\n\n",
    ),
    "reasoning before the text": (
        False,
        [ReasoningDelta("hm"), TextDelta("Hi"), STOP],
        HEAD + b',"choices":[{"delta":{"role":"assistant","reasoning_content":"hm"},"finish_reason":null,"index":0,'
        b'"logprobs":null}],"object":"chat.completion.chunk"}\n\n'
        + TEXT_HEAD
        + b'{"content":"Hi"},"logprobs":null,"finish_reason":null}]}\n\n'
        + HEAD
        + b',"choices":[{"delta":{},"finish_reason":"stop","index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        b"data: [DONE]\n\n",
    ),
    "an error midway": (
        False,
        [TextDelta("Hi"), LOST],
        TEXT_HEAD
        + b'{"role":"assistant","content":"Hi"},"logprobs":null,"finish_reason":null}]}\n\n'
        + b"data: "
        + ERROR
        + b"\n\n",
    ),
    "an error before anything": (False, [LOST], b"data: " + ERROR + b"\n\n"),
    "a refusal": (
        False,
        [RefusalDelta("I "), RefusalDelta("won't"), STOP],
        HEAD
        + b',"choices":[{"delta":{"role":"assistant","refusal":"I "},"finish_reason":null,"index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        + HEAD
        + b',"choices":[{"delta":{"refusal":"won\'t"},"finish_reason":null,"index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        + HEAD
        + b',"choices":[{"delta":{},"finish_reason":"stop","index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        b"data: [DONE]\n\n",
    ),
    "an answer without a word": (
        False,
        [STOP],
        HEAD + b',"choices":[{"delta":{"role":"assistant"},"finish_reason":"stop","index":0,"logprobs":null}],'
        b'"object":"chat.completion.chunk"}\n\n'
        b"data: [DONE]\n\n",
    ),
}

STREAMS = {
    **{f"simple: {name}": wire for name, (_, wire) in SIMPLE.items()},
    **{f"openai: {name}": wire for name, (_, _, wire) in OPENAI.items()},
}
OPENAI_STREAMS = {name: wire for name, wire in STREAMS.items() if name.startswith("openai")}


def decode(*pieces: bytes) -> list[ServerSentEvent]:
    """Decodes as the official SDK does."""
    return list(SSEDecoder().iter_bytes(iter(pieces)))


def plain(events: list[ServerSentEvent]) -> list[tuple[str | None, str]]:
    return [(event.event, event.data) for event in events]


@pytest.mark.parametrize(("events", "wire"), SIMPLE.values(), ids=SIMPLE)
def test_simple_renderer_writes_these_bytes(events: list[Event], wire: bytes) -> None:
    assert render(SimpleRenderer(), events) == wire


@pytest.mark.parametrize(("include_usage", "events", "wire"), OPENAI.values(), ids=OPENAI)
def test_chat_renderer_writes_these_bytes(include_usage: bool, events: list[Event], wire: bytes) -> None:
    assert render(openai_stream(include_usage=include_usage), events) == wire


@pytest.mark.parametrize("wire", STREAMS.values(), ids=STREAMS)
def test_renderers_write_one_data_line_and_a_blank_line(wire: bytes) -> None:
    assert b"\r" not in wire
    assert wire.endswith(b"\n\n")
    for event in wire.removesuffix(b"\n\n").split(b"\n\n"):
        fields = [line.partition(b": ")[0] for line in event.split(b"\n")]
        assert fields in ([b"data"], [b"event", b"data"])


@pytest.mark.parametrize("wire", OPENAI_STREAMS.values(), ids=OPENAI_STREAMS)
def test_chat_renderer_writes_no_field_but_data(wire: bytes) -> None:
    assert {line.partition(b":")[0] for line in wire.split(b"\n") if line} == {b"data"}


@pytest.mark.parametrize("wire", STREAMS.values(), ids=STREAMS)
def test_chat_renderer_output_is_decoded_by_the_official_sdk_at_any_cut(wire: bytes) -> None:
    whole = plain(decode(wire))

    for place in range(len(wire) + 1):
        assert plain(decode(wire[:place], wire[place:])) == whole


@pytest.mark.parametrize("wire", STREAMS.values(), ids=STREAMS)
def test_chat_renderer_output_is_decoded_with_keep_alives(wire: bytes) -> None:
    pinged = PING + wire.replace(b"\n\n", b"\n\n" + PING)

    assert plain(decode(pinged)) == plain(decode(wire))


@pytest.mark.parametrize("wire", STREAMS.values(), ids=STREAMS)
def test_renderers_end_with_done_or_an_error(wire: bytes) -> None:
    events = decode(wire)
    ends = [event for event in events if event.data == "[DONE]" or "error" in json.loads(event.data)]

    assert ends == [events[-1]]


@pytest.mark.parametrize("wire", STREAMS.values(), ids=STREAMS)
def test_renderers_write_events_of_the_contracts_types(wire: bytes) -> None:
    for event in decode(wire):
        if event.data == "[DONE]":
            continue
        kind: type = (
            ErrorBody if "error" in json.loads(event.data) else ChatChunk if b'{"text"' in wire else ChatCompletionChunk
        )
        parsed = msgspec.json.decode(event.data, type=kind)
        assert msgspec.json.decode(msgspec.json.encode(parsed)) == json.loads(event.data)


@pytest.mark.parametrize("wire", OPENAI_STREAMS.values(), ids=OPENAI_STREAMS)
def test_chat_renderer_writes_chunks_of_the_official_sdks_models(wire: bytes) -> None:
    for event in decode(wire):
        if event.data != "[DONE]" and "error" not in json.loads(event.data):
            OpenAIChunk.model_validate(json.loads(event.data))


@pytest.mark.parametrize("include_usage", [False, True])
def test_chat_renderer_writes_one_id_and_one_time(include_usage: bool) -> None:
    wire = render(
        openai_stream(include_usage=include_usage),
        [ReasoningDelta("hm"), TextDelta("Hi"), ToolCallDelta(0, "a", "f", "{}"), USAGE, STOP],
    )
    chunks = [json.loads(event.data) for event in decode(wire)[:-1]]

    assert {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks} == {
        ("chatcmpl-1", 1_700_000_000, "gpt", "chat.completion.chunk")
    }


def test_chat_renderer_fast_path_equals_the_encoder() -> None:
    renderer = openai_stream(include_usage=True)
    rendered = [json.loads(decode(renderer.render(TextDelta(text)))[0].data) for text in ("Hel", "lo")]

    for chunk in rendered:
        assert msgspec.to_builtins(msgspec.convert(chunk, ChatCompletionChunk)) == chunk


def test_chat_renderer_escapes_the_model_name() -> None:
    wire = render(openai_stream(model='we"ird\n'), [TextDelta("Hi"), STOP])

    assert [json.loads(event.data)["model"] for event in decode(wire)[:-1]] == ['we"ird\n'] * 2


@pytest.mark.parametrize("event", [Accepted("w", 0.1), Started("p"), Embedded(0, b"0000")])
@pytest.mark.parametrize("make", [SimpleRenderer, openai_stream])
def test_renderers_write_nothing_for_internal_events(make: type[Renderer], event: Event) -> None:
    assert make().render(event) == b""


def test_renderers_write_a_keep_alive_as_a_comment_with_a_blank_line() -> None:
    assert PING == b": ping\n\n"
    assert decode(PING) == []
