"""The output of a stream: complete answers, and a client that is late, slow or gone."""

import pytest
from unit.support.stream_events import DONE, STOP, A, B, C, kept, text_bytes
from unit.support.streams import ACCEPTED, NOW, STARTED, RecordingWriter, feed, make_stream, started_stream

from penstock_contract.stream.events import Embedded, Event, ReasoningDelta, TextDelta, ToolCallDelta

ENDLESS: dict[str, Event] = {
    "text": TextDelta("x" * 936),
    "reasoning": ReasoningDelta("x" * 936),
    "tool calls": ToolCallDelta(0, None, None, "x" * 936),
    "vectors": Embedded(0, b"x" * 936),
}


@pytest.mark.parametrize("piece", ENDLESS.values(), ids=ENDLESS)
async def test_stream_limits_the_size_of_a_whole_answer(piece: Event) -> None:
    stream = kept(10_000)
    feed(stream, *[piece] * 10, from_seq=2)
    assert stream.error is None

    feed(stream, piece, from_seq=12)
    assert stream.error is not None
    assert stream.error.code == "answer_too_large"
    assert stream.done.done()
    assert not stream.ended_by_worker, "the worker receives a stop"


async def test_stream_limits_a_whole_answer_of_empty_pieces() -> None:
    stream = kept(10_000)
    feed(stream, *[ToolCallDelta(0, None, None, "")] * 200, from_seq=2)

    assert stream.error is not None


async def test_stream_completes_a_whole_answer_within_its_limit() -> None:
    stream = kept(10_000)
    feed(stream, *[TextDelta("x" * 936)] * 10, STOP, from_seq=2)

    assert stream.error is None
    assert stream.record().finished == STOP


async def test_stream_does_not_limit_an_answer_that_is_written_immediately() -> None:
    stream, client = started_stream(*[A] * 10_000, STOP)

    assert stream.error is None
    assert len(client.writes) == 10_001


async def test_stream_writes_pending_bytes_when_the_client_is_attached() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, STARTED, A, B)
    stream.attach(client)
    feed(stream, C, from_seq=4)

    assert client.writes == [text_bytes("a", "b"), text_bytes("c")]


async def test_stream_is_complete_for_a_client_attached_after_its_end() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, STARTED, A, STOP)
    stream.attach(client)

    assert client.received == text_bytes("a") + DONE


async def test_stream_makes_no_empty_write() -> None:
    _, client = started_stream()

    assert client.writes == []


async def test_stream_ends_when_the_client_does_not_read() -> None:
    stream, client = started_stream(A, B, C, client=RecordingWriter(takes=2))

    assert client.received == text_bytes("a", "b")
    assert stream.error is not None
    assert stream.error.code == "slow_client"
    assert stream.done.done()
    assert not stream.ended_by_worker


async def test_stream_ends_when_the_client_does_not_take_pending_bytes() -> None:
    stream, _ = make_stream(), None
    feed(stream, ACCEPTED, STARTED, A)
    stream.attach(RecordingWriter(takes=0))

    assert stream.error is not None
    assert stream.error.code == "slow_client"


async def test_stream_reports_a_client_that_does_not_take_the_end() -> None:
    stream, _ = started_stream(A, STOP, client=RecordingWriter(takes=1))

    assert stream.error is not None
    assert stream.error.code == "slow_client"


async def test_stream_writes_a_keep_alive_to_the_client() -> None:
    stream, client = started_stream(A)
    stream.ping(b": ping\n\n", NOW + 15)

    assert client.received == text_bytes("a") + b": ping\n\n"
    assert stream.output.written_at == NOW + 15


async def test_stream_drops_a_keep_alive_without_a_client() -> None:
    stream, client = make_stream(), RecordingWriter()
    stream.commit()
    stream.ping(b": ping\n\n", NOW + 15)
    stream.attach(client)

    assert client.writes == []


async def test_stream_output_is_not_stalled_without_pending_bytes() -> None:
    stream, _ = started_stream(A)
    stream.output.check_client(NOW)

    assert stream.output.stalled_since is None


async def test_stream_output_is_stalled_since_the_first_check_without_progress() -> None:
    stream, client = started_stream(A)
    client.taken = 100
    for later in (0, 5, 10):
        stream.output.check_client(NOW + later)

    assert stream.output.stalled_since == NOW


async def test_stream_output_counts_any_progress_of_the_client() -> None:
    stream, client = started_stream(A)
    for later in range(60):
        client.taken = later // 10
        stream.output.check_client(NOW + later)

    assert stream.output.stalled_since == NOW + 50


async def test_stream_output_resets_the_stall_when_all_was_read() -> None:
    stream, client = started_stream(A)
    for later, taken in ((0, 100), (1, None), (2, 100)):
        client.taken = taken
        stream.output.check_client(NOW + later)

    assert stream.output.stalled_since == NOW + 2


async def test_stream_output_is_not_stalled_without_a_client() -> None:
    stream = make_stream()
    stream.output.check_client(NOW)

    assert stream.output.stalled_since is None
