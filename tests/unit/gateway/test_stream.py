"""An open stream: attempts, gaps, one end, and a client that may be late, slow or gone."""

import pytest
from unit.support.streams import ACCEPTED, NOW, STARTED, RecordingWriter, feed, make_stream, started_stream

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.route.spec import LimitsSpec
from penstock_contract.stream.events import (
    Accepted,
    Embedded,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.chat_collector import ChatCollector
from penstock_gateway.streaming.stream import Stream

A, B, C = TextDelta("a"), TextDelta("b"), TextDelta("c")
STOP = Finished("stop")
DONE = b"data: [DONE]\n\n"
LOST = ErrorDetail("worker_lost", "words")
LOST_EVENT = (
    b'event: error\ndata: {"error":{"message":"words","type":"api_error","param":null,"code":"worker_lost"}}\n\n'
)


def said(*texts: str) -> bytes:
    return b"".join(b'data: {"text":"%b"}\n\n' % text.encode() for text in texts)


def first_error(stream: Stream) -> ErrorDetail:
    error = stream.first.exception()
    assert isinstance(error, PenstockError)
    return error.detail


# In order


async def test_stream_writes_each_frame_once() -> None:
    _, client = started_stream(A, B, STOP)

    assert client.writes == [said("a"), said("b"), DONE]


async def test_stream_starts_with_started() -> None:
    stream = make_stream()
    feed(stream, ACCEPTED)
    assert not stream.first.done()
    assert not stream.protocol.started

    feed(stream, STARTED, from_seq=1)
    assert stream.first.done()
    assert stream.protocol.started


async def test_stream_records_worker_provider_and_queue_time() -> None:
    stream = make_stream()
    feed(stream, ACCEPTED, STARTED, UsageReported(3, 1), STOP, now=NOW + 1)

    assert (stream.worker, stream.provider, stream.record().queued_s) == ("worker-1", "main", 0.25)
    assert (stream.record().usage, stream.record().finished) == (UsageReported(3, 1), STOP)
    assert stream.ended_by_worker


async def test_stream_bounds_the_queue_time_by_its_own_age() -> None:
    stream = make_stream()
    feed(stream, Accepted("worker-1", 300.0), now=NOW + 1)

    assert stream.record().queued_s == 1


async def test_stream_counts_pieces_and_times_the_first() -> None:
    stream, _ = started_stream()
    feed(stream, ReasoningDelta("hm"), from_seq=2, now=NOW + 1)
    feed(stream, A, B, from_seq=3, now=NOW + 2)

    assert stream.record().deltas == 3
    assert stream.first_delta_at == NOW + 1
    assert stream.last_event_at == NOW + 2


async def test_stream_writes_repeated_frames_once() -> None:
    stream, client = started_stream(A)
    feed(stream, STARTED, A, B, from_seq=1)

    assert client.received == said("a", "b")


# The end


async def test_stream_writes_nothing_after_its_end() -> None:
    stream, client = started_stream(A, STOP)
    feed(stream, B, Failed(LOST), from_seq=4)
    stream.fail(LOST)
    stream.ping(b": ping\n\n", NOW)

    assert client.received == said("a") + DONE
    assert stream.done.done()
    assert stream.error is None


async def test_stream_keeps_the_first_failure() -> None:
    stream, client = started_stream(A)
    stream.fail(LOST)
    stream.fail(ErrorDetail("idle_timeout", "other words"))

    assert client.received == said("a") + LOST_EVENT
    assert stream.error == LOST


async def test_stream_renders_a_workers_failure_as_an_event() -> None:
    stream, client = started_stream(A, Failed(LOST))

    assert client.received == said("a") + LOST_EVENT
    assert stream.ended_by_worker


async def test_stream_ends_at_an_illegal_event() -> None:
    stream, client = started_stream(A)
    feed(stream, ACCEPTED, from_seq=3)

    assert stream.error is not None
    assert stream.error.code == "stream_lost"
    assert b"event: error" in client.received
    assert not stream.ended_by_worker


async def test_stream_ends_without_an_error_when_the_client_leaves() -> None:
    stream = make_stream()
    feed(stream, ACCEPTED)
    stream.leave()

    assert stream.first.done()
    assert stream.done.done()
    assert stream.error is None


# Failures before the first byte


async def test_stream_raises_a_failure_before_the_commit() -> None:
    stream = make_stream()
    feed(stream, ACCEPTED, Failed(LOST))

    assert first_error(stream) == LOST
    assert stream.done.done()


async def test_stream_writes_nothing_for_a_failure_before_the_commit() -> None:
    stream, client = make_stream(), RecordingWriter()
    stream.fail(LOST)
    stream.attach(client)

    assert client.writes == []


async def test_stream_writes_a_failure_after_the_commit_as_an_event() -> None:
    stream, client = make_stream(), RecordingWriter()
    stream.commit()
    stream.attach(client)
    feed(stream, ACCEPTED, Failed(LOST))

    assert stream.first.exception() is None
    assert client.received == LOST_EVENT


async def test_stream_may_be_committed_twice() -> None:
    stream = make_stream()
    stream.commit()
    feed(stream, ACCEPTED, STARTED)
    stream.commit()

    assert stream.committed


# Attempts


async def test_stream_replaces_an_attempt_that_has_not_started() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, attempt=1)
    feed(stream, Accepted("worker-2", 4.0), STARTED, A, STOP, attempt=2, now=NOW + 5)
    stream.attach(client)

    assert (stream.protocol.attempt, stream.worker, stream.record().queued_s) == (2, "worker-2", 4.0)
    assert client.received == said("a") + DONE


async def test_stream_keeps_an_attempt_that_has_started() -> None:
    stream, client = started_stream(A)
    kept = stream.feed(2, 0, Accepted("worker-2", 4.0), NOW)
    feed(stream, B, STOP, from_seq=3)

    assert not kept
    assert (stream.protocol.attempt, stream.worker) == (1, "worker-1")
    assert client.received == said("a", "b") + DONE


async def test_stream_ignores_a_replaced_worker() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, attempt=1)
    feed(stream, Accepted("worker-2", 4.0), attempt=2)
    kept = stream.feed(1, 1, STARTED, NOW)
    feed(stream, TextDelta("zombie"), Failed(LOST), attempt=1, from_seq=2)
    feed(stream, STARTED, A, STOP, attempt=2, from_seq=1)
    stream.attach(client)

    assert not kept
    assert client.received == said("a") + DONE


async def test_stream_accepts_any_attempt_first() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, STARTED, STOP, attempt=3)
    stream.attach(client)

    assert client.received == DONE


async def test_stream_restarts_the_queue_wait_when_its_worker_is_forgotten() -> None:
    stream = make_stream()
    feed(stream, ACCEPTED)
    stream.forget_worker(NOW + 9)

    assert (stream.worker, stream.accepted_at, stream.published_at) == (None, None, NOW + 9)


# Gaps


async def test_stream_times_a_gap_from_its_first_frame() -> None:
    stream, client = started_stream(A)
    feed(stream, C, from_seq=4, now=NOW + 1)
    feed(stream, C, from_seq=5, now=NOW + 2)

    assert stream.protocol.gap_since == NOW + 1
    assert stream.protocol.next_seq == 3
    assert client.received == said("a")


async def test_stream_closes_a_gap_with_the_missing_frames() -> None:
    stream, client = started_stream(A)
    feed(stream, C, from_seq=4, now=NOW + 1)
    feed(stream, B, C, STOP, from_seq=3, now=NOW + 2)

    assert stream.protocol.gap_since is None
    assert client.received == said("a", "b", "c") + DONE


# Whole answers


def kept(bytes_max: int | None) -> Stream:
    """A stream with a collector."""
    collector = ChatCollector("id", 0, "m")
    stream = Stream(7, "req_1", "default.main", LimitsSpec(), collector, NOW, answer_bytes_max=bytes_max)
    feed(stream, ACCEPTED, STARTED)
    return stream


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
    assert not stream.ended_by_worker, "its worker is told to stop"


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


# Clients


async def test_stream_writes_pending_bytes_when_the_client_is_attached() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, STARTED, A, B)
    stream.attach(client)
    feed(stream, C, from_seq=4)

    assert client.writes == [said("a", "b"), said("c")]


async def test_stream_is_complete_for_a_client_attached_after_its_end() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, STARTED, A, STOP)
    stream.attach(client)

    assert client.received == said("a") + DONE


async def test_stream_makes_no_empty_write() -> None:
    _, client = started_stream()

    assert client.writes == []


async def test_stream_ends_when_the_client_does_not_read() -> None:
    stream, client = started_stream(A, B, C, client=RecordingWriter(takes=2))

    assert client.received == said("a", "b")
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

    assert client.received == said("a") + b": ping\n\n"
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
