"""The decoder maps a stream's bytes to typed chunks, and reports an incomplete answer."""

import json

import pytest

from penstock_client.chunk_decoder import ChunkDecoder
from penstock_client.errors import GatewayError, StreamTruncated
from penstock_contract.endpoint_responses import ChatChunk, ChatCompletionChunk
from penstock_contract.endpoints import RESPONSE_STREAM
from penstock_contract.openai_responses.stream_events import OutputTextDelta, ResponseCompleted

ERROR = b'{"error":{"message":"lost","type":"api_error","param":null,"code":"worker_lost"}}'


def chunks(*pieces: bytes) -> list[ChatChunk]:
    """Feeds a piece while there is no chunk to pop; the body ends after the last piece."""
    decoder = ChunkDecoder(ChatChunk, "req_1")
    portions = iter([*pieces, b""])
    received: list[ChatChunk] = []
    while True:
        while not decoder.ready:
            decoder.feed(next(portions))
        if (chunk := decoder.pop()) is None:
            return received
        received.append(chunk)


def test_chunk_decoder_reads_a_stream_split_at_every_offset() -> None:
    """The chunks are the same for any split of the bytes."""
    wire = 'data: {"text":"Grüß"}\n\n: ping\n\ndata: {"text":" dich"}\n\ndata: [DONE]\n\n'.encode()

    for offset in range(1, len(wire)):
        assert [ChatChunk("Grüß"), ChatChunk(" dich")] == chunks(wire[:offset], wire[offset:])


@pytest.mark.parametrize(
    "wire",
    [b"", b'data: {"text":"a"}\n\n', b'data: {"text":"a"}\n\ndata: [DONE]', b'data: {"text":"a"}\n\ndata: [DONE]\n'],
)
def test_chunk_decoder_reports_a_stream_without_its_end_as_truncated(wire: bytes) -> None:
    """Only a complete `data: [DONE]` event completes the stream."""
    with pytest.raises(StreamTruncated) as caught:
        chunks(*([wire] if wire else []))

    assert (caught.value.code, caught.value.request_id, caught.value.retryable) == ("stream_truncated", "req_1", True)


@pytest.mark.parametrize("frame", [b"event: error\ndata: " + ERROR, b"data: " + ERROR], ids=["simple", "OpenAI"])
def test_chunk_decoder_returns_the_text_before_an_error(frame: bytes) -> None:
    """The error events of both dialects raise after the chunks before them, also within one network read."""
    decoder = ChunkDecoder(ChatChunk, "req_1")
    decoder.feed(b'data: {"text":"a"}\n\n' + frame + b"\n\n")

    assert ChatChunk("a") == decoder.pop()
    with pytest.raises(GatewayError, match="lost") as caught:
        decoder.pop()
    assert caught.value.code == "worker_lost"


@pytest.mark.parametrize("data", [b"{}", b"nonsense", b'{"message":"flat"}', b'{"text":1}'])
def test_chunk_decoder_rejects_an_unreadable_event(data: bytes) -> None:
    """An unreadable event is an error and is never skipped."""
    with pytest.raises(GatewayError) as caught:
        chunks(b"data: " + data + b"\n\n")

    assert caught.value.code == "invalid_response"


def test_chunk_decoder_skips_events_of_other_names() -> None:
    """A newer gateway may send more fields, such as a position in the queue."""
    assert [ChatChunk("a")] == chunks(
        b'event: queued\ndata: {"position":3}\n\ndata: {"text":"a"}\n\nevent: ping\ndata: {}\n\ndata: [DONE]\n\n'
    )


def test_chunk_decoder_ignores_everything_after_the_end() -> None:
    """A complete stream stays complete."""
    decoder = ChunkDecoder(ChatChunk, None)
    decoder.feed(b'data: [DONE]\n\ndata: {"text":"late"}\n\n')

    assert [decoder.pop(), decoder.pop()] == [None, None]


def test_chunk_decoder_reads_openais_chunks() -> None:
    """The OpenAI dialect, with a field that the contract does not have."""
    decoder = ChunkDecoder(ChatCompletionChunk, None)
    decoder.feed(
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","obfuscation":"x",'
        b'"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}\n\n'
    )

    chunk = decoder.pop()

    assert chunk is not None
    assert chunk.choices[0].delta.content == "a"


def event(type_: str, **fields: object) -> bytes:
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **fields})}\n\n".encode()


def test_chunk_decoder_reads_named_events_of_the_responses_api() -> None:
    """Events of later versions count as received and are left out; the last event has no `[DONE]` behind it."""
    part = {"sequence_number": 0, "item_id": "m", "output_index": 0, "content_index": 0, "delta": "Hi"}
    response = {"object": "response", "id": "resp_1", "created_at": 1, "status": "completed", "model": "m"}
    decoder = ChunkDecoder(RESPONSE_STREAM.chunk, "req_1", received=3)
    decoder.feed(event("response.output_text.delta", **part) + event("response.hologram", depth=1))
    decoder.feed(event("response.completed", sequence_number=2, response=response))

    assert isinstance(decoder.pop(), OutputTextDelta)
    assert isinstance(decoder.pop(), ResponseCompleted)
    assert decoder.pop() is None
    assert decoder.received == 6


def test_chunk_decoder_raises_an_error_of_the_responses_api() -> None:
    error = {"message": "lost", "type": "api_error", "param": None, "code": "worker_lost"}
    decoder = ChunkDecoder(RESPONSE_STREAM.chunk, "req_1")
    decoder.feed(event("error", sequence_number=4, code="worker_lost", message="lost", param=None, error=error))

    with pytest.raises(GatewayError, match="worker_lost"):
        decoder.pop()
