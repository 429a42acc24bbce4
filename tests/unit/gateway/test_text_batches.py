"""The texts of one batch are written in one call; the bytes are those of events that are fed one by one."""

import asyncio
import socket
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.loops import on_every_loop
from unit.support.streams import ACCEPTED, NOW, STARTED, RecordingWriter, feed, make_stream
from uvicorn.protocols.http.flow_control import FlowControl

from penstock_contract import codec, subjects
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import (
    AnswerFields,
    ChoiceSwitched,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_contract.stream.frames import Batch, Frame
from penstock_gateway.server.client_connection import ClientConnection
from penstock_gateway.server.coalescing_transport import CoalescingTransport
from penstock_gateway.server.write_timeout import WriteTimeout
from penstock_gateway.streaming.registry import StreamRegistry
from penstock_gateway.streaming.renderers.ai_sdk.ui_stream import UIStreamRenderer
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.renderers.chat_stream import ChatStreamRenderer
from penstock_gateway.streaming.renderers.choices import ChoicesStreamRenderer
from penstock_gateway.streaming.renderers.completions.completion_stream import CompletionStreamRenderer
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.renderers.simple import SimpleRenderer
from penstock_gateway.streaming.stream import Stream

SUBJECT = subjects.reply("gw-1", "default", "main")
STOP = Finished("stop")


def renderer(name: str) -> Renderer:
    match name:
        case "chat":
            return ChatStreamRenderer("id", 1, "main", include_usage=True)
        case "kept":
            return ChatCollector("id", 1, "main")
        case "choices":
            return ChoicesStreamRenderer(2, "id", 1, "main", include_usage=True)
        case "completion":
            return CompletionStreamRenderer(2, "id", 1, "main", include_usage=True)
        case "ui":
            return UIStreamRenderer("msg_1", "main", "req_1")
        case _:
            return SimpleRenderer()


def registry(*streams: Stream) -> StreamRegistry:
    made = StreamRegistry(lambda *_: None)
    for stream in streams:
        made.add(stream)
    return made


def give(made: StreamRegistry, *frames: Frame) -> None:
    made.on_batch(SUBJECT, codec.encode(Batch("worker-1", list(frames))))


def frames(*events: Event, stream: int = 7, from_seq: int = 0) -> list[Frame]:
    return [Frame(stream, 1, seq, event) for seq, event in enumerate(events, from_seq)]


TEXTS = st.text(max_size=4).map(TextDelta)
EVENTS = st.one_of(
    TEXTS,
    TEXTS,
    TEXTS,
    st.builds(ReasoningDelta, st.text(max_size=3)),
    st.just(ToolCallDelta(0, "call_1", "f", "{}")),
    st.sampled_from(
        [
            AnswerFields("answer", b'{"tier":"x"}'),
            AnswerFields("delta", b'{"x":1}'),
            AnswerFields("choice", b'{"logprobs":{"content":[{"token":"a","logprob":-1}]}}'),
            ChoiceSwitched(1),
            ChoiceSwitched(0),
        ]
    ),
)
ENDS = st.sampled_from([(STOP,), (UsageReported(3, 4), STOP), (Failed(ErrorDetail("worker_lost", "gone")),), ()])


@pytest.mark.parametrize("dialect", ["chat", "simple", "kept", "choices", "completion", "ui"])
@given(events=st.lists(EVENTS, max_size=14), end=ENDS, data=st.data())
async def test_stream_registry_writes_the_bytes_of_single_events(
    dialect: str, events: list[Event], end: tuple[Event, ...], data: st.DataObject
) -> None:
    single, batched = make_stream(renderer=renderer(dialect)), make_stream(renderer=renderer(dialect))
    expected, received = RecordingWriter(), RecordingWriter()
    whole = [ACCEPTED, STARTED, *events, *end]
    attach_at = data.draw(st.integers(0, len(whole)))
    cuts = sorted({0, attach_at, len(whole), *data.draw(st.sets(st.integers(0, len(whole)), max_size=5))})
    single.attach(expected)
    feed(single, *whole)
    made = registry(batched)
    sent = frames(*whole)
    for start, stop in pairwise(cuts):
        if start == attach_at:
            batched.attach(received)
        # Replay sends frames again.
        repeated = sent[max(0, start - data.draw(st.integers(0, 3))) : start]
        give(made, *repeated, *sent[start:stop])
    if attach_at == len(whole):
        batched.attach(received)

    assert received.received == expected.received
    first, second = single.record(), batched.record()
    assert (first.deltas, first.text_length, first.usage) == (second.deltas, second.text_length, second.usage)
    assert (first.finished, first.error) == (second.finished, second.error)
    assert single.done.done() == batched.done.done()


async def test_stream_registry_writes_the_texts_of_a_batch_in_one_call() -> None:
    stream, client = make_stream(), RecordingWriter()
    stream.attach(client)
    made = registry(stream)
    give(made, *frames(ACCEPTED, STARTED, TextDelta("a")))
    give(made, *frames(TextDelta("b"), TextDelta("c"), from_seq=3))

    assert client.writes == [b'data: {"text":"a"}\n\n', b'data: {"text":"b"}\n\ndata: {"text":"c"}\n\n']


async def test_stream_registry_writes_the_texts_of_several_streams_separately() -> None:
    streams = [make_stream(id_) for id_ in (7, 8)]
    clients = [RecordingWriter() for _ in streams]
    for stream, client in zip(streams, clients, strict=True):
        feed(stream, ACCEPTED, STARTED, TextDelta("a"))
        stream.attach(client)
    made = registry(*streams)
    both = [frames(TextDelta(word), stream=id_, from_seq=seq) for seq, word in ((3, "b"), (4, "c")) for id_ in (7, 8)]
    give(made, *(frame for frames_ in both for frame in frames_))

    assert (
        clients[0].received
        == clients[1].received
        == b"".join(b'data: {"text":"%b"}\n\n' % w for w in (b"a", b"b", b"c"))
    )


async def test_stream_ends_when_the_client_has_too_much_unread_in_a_batch() -> None:
    stream, client = make_stream(), RecordingWriter(takes=1)
    stream.attach(client)
    made = registry(stream)
    give(made, *frames(ACCEPTED, STARTED, TextDelta("a")))
    give(made, *frames(TextDelta("b"), TextDelta("c"), STOP, from_seq=3))

    assert stream.done.done()
    assert stream.error is not None
    assert stream.error.code == "slow_client"
    assert client.writes == [b'data: {"text":"a"}\n\n']


async def test_stream_detects_a_gap_behind_a_text() -> None:
    stream, client = make_stream(), RecordingWriter()
    stream.attach(client)
    made = registry(stream)
    give(made, *frames(ACCEPTED, STARTED, TextDelta("a"), TextDelta("b")))
    give(made, *frames(TextDelta("d"), from_seq=5))
    assert stream.protocol.gap_since is not None

    give(made, *frames(TextDelta("c"), TextDelta("d"), from_seq=4))
    assert stream.protocol.gap_since is None
    assert client.received.count(b"data:") == 4


async def test_stream_takes_no_text_after_its_end() -> None:
    stream, client = make_stream(), RecordingWriter()
    stream.attach(client)
    made = registry(stream)
    give(made, *frames(ACCEPTED, STARTED, TextDelta("a"), TextDelta("b"), STOP, TextDelta("c")))
    stream.leave()
    give(made, *frames(TextDelta("d"), from_seq=6))

    assert client.received.endswith(b"data: [DONE]\n\n")
    assert stream.last_event_at != NOW


# The client's socket


@on_every_loop
async def test_client_connection_keeps_the_order_of_bytes_for_a_client_that_stops_reading() -> None:
    loop = asyncio.get_running_loop()
    server, client = socket.socketpair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for end in (server, client):
        end.setblocking(False)

    class Flow(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.control = FlowControl(transport)  # type: ignore[arg-type]

        def pause_writing(self) -> None:
            self.control.pause_writing()

        def resume_writing(self) -> None:
            self.control.resume_writing()

    transport, protocol = await loop.connect_accepted_socket(Flow, server)
    connection = ClientConnection(
        CoalescingTransport(transport), protocol.control, WriteTimeout(transport, loop, 30), chunked=True
    )
    connection.limit(1 << 20)
    expected = b""
    for number in range(300):
        data = b"%d:" % number + b"x" * (number % 97)
        assert connection.write(data)
        expected += b"%x\r\n%b\r\n" % (len(data), data)
    await asyncio.sleep(0)
    assert transport.get_write_buffer_size() > 0

    received = b""
    while len(received) < len(expected):
        received += await loop.sock_recv(client, 65536)
    assert received == expected
    assert connection.write(b"last")
    assert await loop.sock_recv(client, 64) == b"4\r\nlast\r\n"
    transport.abort()
    client.close()


@on_every_loop
async def test_client_connection_leaves_a_lost_client_to_the_transport() -> None:
    loop = asyncio.get_running_loop()
    server, client = socket.socketpair()
    server.setblocking(False)
    lost = loop.create_future()

    class Lost(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.set_result(exc)

        def eof_received(self) -> bool:
            return True

    transport, _ = await loop.connect_accepted_socket(Lost, server)
    connection = ClientConnection(
        CoalescingTransport(transport), FlowControl(transport), WriteTimeout(transport, loop, 30), chunked=True
    )
    connection.limit(1 << 20)
    client.close()
    assert connection.write(b"a")
    await asyncio.wait_for(lost, 5)

    assert connection.write(b"b")
