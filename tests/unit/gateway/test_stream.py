"""An open stream: order of its frames, attempts, gaps and its one end."""

from unit.support.stream_events import DONE, STOP, A, B, C, text_bytes
from unit.support.streams import ACCEPTED, NOW, STARTED, RecordingWriter, feed, make_stream, started_stream

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import Accepted, Failed, ReasoningDelta, TextDelta, UsageReported
from penstock_gateway.streaming.stream import Stream

LOST = ErrorDetail("worker_lost", "words")
LOST_EVENT = (
    b'event: error\ndata: {"error":{"message":"words","type":"api_error","param":null,"code":"worker_lost"}}\n\n'
)


def first_error(stream: Stream) -> ErrorDetail:
    error = stream.first.exception()
    assert isinstance(error, PenstockError)
    return error.detail


async def test_stream_writes_each_frame_once() -> None:
    _, client = started_stream(A, B, STOP)

    assert client.writes == [text_bytes("a"), text_bytes("b"), DONE]


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

    assert (stream.serving.worker, stream.serving.provider, stream.record().queued_s) == ("worker-1", "main", 0.25)
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

    assert client.received == text_bytes("a", "b")


async def test_stream_writes_nothing_after_its_end() -> None:
    stream, client = started_stream(A, STOP)
    feed(stream, B, Failed(LOST), from_seq=4)
    stream.fail(LOST)
    stream.ping(NOW)

    assert client.received == text_bytes("a") + DONE
    assert stream.done.done()
    assert stream.error is None


async def test_stream_keeps_the_first_failure() -> None:
    stream, client = started_stream(A)
    stream.fail(LOST)
    stream.fail(ErrorDetail("idle_timeout", "other words"))

    assert client.received == text_bytes("a") + LOST_EVENT
    assert stream.error == LOST


async def test_stream_renders_a_workers_failure_as_an_event() -> None:
    stream, client = started_stream(A, Failed(LOST))

    assert client.received == text_bytes("a") + LOST_EVENT
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


async def test_stream_replaces_an_attempt_that_has_not_started() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, attempt=1)
    feed(stream, Accepted("worker-2", 4.0), STARTED, A, STOP, attempt=2, now=NOW + 5)
    stream.attach(client)

    assert (stream.protocol.attempt, stream.serving.worker, stream.record().queued_s) == (2, "worker-2", 4.0)
    assert client.received == text_bytes("a") + DONE


async def test_stream_keeps_an_attempt_that_has_started() -> None:
    stream, client = started_stream(A)
    kept = stream.feed(2, 0, Accepted("worker-2", 4.0), NOW)
    feed(stream, B, STOP, from_seq=3)

    assert not kept
    assert (stream.protocol.attempt, stream.serving.worker) == (1, "worker-1")
    assert client.received == text_bytes("a", "b") + DONE


async def test_stream_ignores_a_replaced_worker() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, attempt=1)
    feed(stream, Accepted("worker-2", 4.0), attempt=2)
    kept = stream.feed(1, 1, STARTED, NOW)
    feed(stream, TextDelta("zombie"), Failed(LOST), attempt=1, from_seq=2)
    feed(stream, STARTED, A, STOP, attempt=2, from_seq=1)
    stream.attach(client)

    assert not kept
    assert client.received == text_bytes("a") + DONE


async def test_stream_accepts_any_attempt_first() -> None:
    stream, client = make_stream(), RecordingWriter()
    feed(stream, ACCEPTED, STARTED, STOP, attempt=3)
    stream.attach(client)

    assert client.received == DONE


async def test_stream_restarts_the_queue_wait_when_its_worker_is_forgotten() -> None:
    stream = make_stream()
    feed(stream, ACCEPTED)
    stream.serving.drop_worker(NOW + 9)

    assert (stream.serving.worker, stream.serving.accepted_at, stream.serving.published_at) == (None, None, NOW + 9)


async def test_stream_times_a_gap_from_its_first_frame() -> None:
    stream, client = started_stream(A)
    feed(stream, C, from_seq=4, now=NOW + 1)
    feed(stream, C, from_seq=5, now=NOW + 2)

    assert stream.protocol.gap_since == NOW + 1
    assert stream.protocol.next_seq == 3
    assert client.received == text_bytes("a")


async def test_stream_closes_a_gap_with_the_missing_frames() -> None:
    stream, client = started_stream(A)
    feed(stream, C, from_seq=4, now=NOW + 1)
    feed(stream, B, C, STOP, from_seq=3, now=NOW + 2)

    assert stream.protocol.gap_since is None
    assert client.received == text_bytes("a", "b", "c") + DONE
