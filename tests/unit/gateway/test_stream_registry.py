"""Frames are fed to their own stream, under its own route; a worker without a reader is stopped."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from unit.support.streams import ACCEPTED, STARTED, RecordingWriter, make_stream
from unit.support.virtual_time import virtual_time

from penstock_contract import codec, subjects
from penstock_contract.stream.events import Accepted, Event, Finished, TextDelta
from penstock_contract.stream.frames import Batch, Frame
from penstock_gateway.streaming.registry import STOP_AGAIN_S, STOPPED_MAX, StreamRegistry

SUBJECT = subjects.reply("gw-1", "default", "main")
FOREIGN = subjects.reply("gw-1", "default", "other")
ANSWER: list[Event] = [ACCEPTED, STARTED, TextDelta("a"), Finished("stop")]


class Stops:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int, int]] = []

    def __call__(self, route: str, worker: str, stream: int, serves: int) -> None:
        self.sent.append((route, worker, stream, serves))


def batch(events: Sequence[Event], *, stream: int = 7, attempt: int = 1, worker: str = "worker-1") -> bytes:
    return codec.encode(Batch(worker, [Frame(stream, attempt, seq, event) for seq, event in enumerate(events)]))


def table() -> tuple[StreamRegistry, Stops, RecordingWriter]:
    stops, client = Stops(), RecordingWriter()
    made, stream = StreamRegistry(stops), make_stream(7)
    stream.attach(client)
    made.add(stream)
    return made, stops, client


async def test_stream_registry_feeds_a_batch_to_its_stream() -> None:
    made, stops, client = table()
    made.on_batch(SUBJECT, batch(ANSWER))

    assert client.received == b'data: {"text":"a"}\n\ndata: [DONE]\n\n'
    assert stops.sent == []


async def test_stream_registry_feeds_one_batch_to_several_streams() -> None:
    made, _, client = table()
    other, other_client = make_stream(8), RecordingWriter()
    other.attach(other_client)
    made.add(other)
    frames = [Frame(stream, 1, seq, event) for seq, event in enumerate(ANSWER) for stream in (7, 8)]
    made.on_batch(SUBJECT, codec.encode(Batch("worker-1", frames)))

    assert client.received == other_client.received == b'data: {"text":"a"}\n\ndata: [DONE]\n\n'


async def test_stream_registry_ignores_a_frame_of_a_foreign_route() -> None:
    made, stops, client = table()
    made.on_batch(FOREIGN, batch(ANSWER))
    [stream] = made

    assert client.received == b""
    assert stream.serving.worker is None
    assert stops.sent == []


async def test_stream_registry_stops_the_worker_of_an_unknown_stream_once() -> None:
    made, stops, _ = table()
    made.on_batch(SUBJECT, batch([TextDelta("a")] * 5, stream=99))
    made.on_batch(SUBJECT, batch([TextDelta("a")] * 5, stream=99))

    assert stops.sent == [("default.main", "worker-1", 99, 0)]


@virtual_time
async def test_stream_registry_repeats_the_stop_while_frames_arrive() -> None:
    made, stops, _ = table()
    made.on_batch(SUBJECT, batch([TextDelta("a")], stream=99))
    await asyncio.sleep(STOP_AGAIN_S - 0.1)
    made.on_batch(SUBJECT, batch([TextDelta("a")], stream=99))
    assert len(stops.sent) == 1

    await asyncio.sleep(0.2)
    made.on_batch(SUBJECT, batch([TextDelta("a")], stream=99))
    assert len(stops.sent) == 2


async def test_stream_registry_stops_the_worker_of_a_replaced_attempt() -> None:
    made, stops, _ = table()
    made.on_batch(SUBJECT, batch([ACCEPTED], worker="worker-1"))
    made.on_batch(SUBJECT, batch([Accepted("worker-2", 4.0)], attempt=2, worker="worker-2"))
    made.on_batch(SUBJECT, batch([ACCEPTED, STARTED, TextDelta("zombie")], worker="worker-1"))

    assert stops.sent == [("default.main", "worker-1", 7, 2)], "the second attempt is served"


async def test_stream_registry_sends_no_stop_for_frames_after_the_end() -> None:
    made, stops, _ = table()
    made.on_batch(SUBJECT, batch(ANSWER))
    made.on_batch(SUBJECT, batch(ANSWER))

    assert stops.sent == []


async def test_stream_registry_stops_the_worker_of_a_removed_stream() -> None:
    made, stops, client = table()
    [stream] = made
    made.remove(stream)
    made.remove(stream)
    made.on_batch(SUBJECT, batch(ANSWER))

    assert len(made) == 0
    assert client.received == b""
    assert stops.sent == [("default.main", "worker-1", 7, 0)]


async def test_stream_registry_limits_the_remembered_stops() -> None:
    made, _, _ = table()
    for stream in range(100, 100 + STOPPED_MAX + 10):
        made.on_batch(SUBJECT, batch([TextDelta("a")], stream=stream))

    assert len(made._stopped) == STOPPED_MAX


async def test_stream_registry_raises_for_an_invalid_batch() -> None:
    made, _, _ = table()

    with pytest.raises(msgspec.DecodeError):
        made.on_batch(SUBJECT, b"\xc1\xff")


async def test_stream_registry_may_change_during_iteration() -> None:
    made, _, _ = table()
    made.add(make_stream(8))
    for stream in made:
        made.remove(stream)

    assert len(made) == 0


async def test_stream_registry_feeds_each_reader_of_a_stream_and_a_slow_one_holds_no_other() -> None:
    made, _, _ = table()
    fast, slow = RecordingWriter(), RecordingWriter(takes=1)
    for client in (fast, slow):
        reader = make_stream(8, is_reader=True)
        made.add(reader)
        reader.attach(client)
    made.on_batch(SUBJECT, batch([*ANSWER], stream=8))

    assert fast.received.endswith(b"data: [DONE]\n\n")
    assert slow.received.count(b"\n\n") <= 1
    errors = [reader.error and reader.error.code for reader in made.members(8)]
    assert errors == [None, "slow_client"]


async def test_stream_registry_goes_on_with_the_readers_that_are_left() -> None:
    made, _, _ = table()
    readers = [make_stream(8, is_reader=True) for _ in range(3)]
    for reader in readers:
        made.add(reader)
    made.remove(readers[0])
    assert made.members(8) == readers[1:]
    made.remove(readers[1])
    client = RecordingWriter()
    readers[2].attach(client)
    made.on_batch(SUBJECT, batch([*ANSWER], stream=8))
    assert client.received.endswith(b"data: [DONE]\n\n")
    made.remove(readers[2])
    assert made.members(8) == []
