"""The reply stream: events are numbered, checked, and kept for replay within a bound."""

import pytest
from unit.support.sessions import RecordedFrames

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import (
    Accepted,
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Embedded,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
)
from penstock_contract.stream.state import IllegalEvent
from penstock_worker.sessions.reply_stream import ReplyStream

BEGIN: list[Event] = [Accepted("worker-1", 0.0), Started("a")]
STOP = Finished("stop")


def stream(*events: Event, bytes_max: int = 100_000) -> tuple[ReplyStream, RecordedFrames]:
    batcher = RecordedFrames()
    made = ReplyStream(
        batcher,  # type: ignore[arg-type]
        ("default", "main"),
        7,
        2,
        "gw-1",
        replay_bytes_max=bytes_max,
    )
    for event in events:
        made.emit(event)
    return made, batcher


def sent(batcher: RecordedFrames) -> list[tuple[int, Event]]:
    return [(frame.seq, frame.event) for _, frame, _ in batcher.frames]


def test_reply_stream_numbers_events_from_zero() -> None:
    _, batcher = stream(*BEGIN, TextDelta("a"), STOP)

    assert sent(batcher) == list(enumerate([*BEGIN, TextDelta("a"), STOP]))
    assert {(frame.stream, frame.attempt) for _, frame, _ in batcher.frames} == {(7, 2)}
    assert {subject for subject, _, _ in batcher.frames} == {"penstock.replies.gw-1.default.main"}


def test_reply_stream_marks_events_that_a_client_waits_for_as_urgent() -> None:
    _, batcher = stream(*BEGIN, TextDelta("a"), TextDelta("b"), TextDelta("c"), STOP)

    assert [now for _, _, now in batcher.frames] == [False, True, True, False, False, True]


def test_reply_stream_does_not_send_an_illegal_event() -> None:
    made, batcher = stream(BEGIN[0])

    with pytest.raises(IllegalEvent):
        made.emit(TextDelta("a"))

    assert sent(batcher) == [(0, BEGIN[0])]


def test_reply_stream_ends_once_with_a_failure() -> None:
    made, batcher = stream(*BEGIN)
    made.fail(ErrorDetail("idle_timeout", "words"))
    made.fail(ErrorDetail("worker_lost", "words"))

    assert made.ended
    assert sent(batcher)[2:] == [(2, Failed(ErrorDetail("idle_timeout", "words")))]


def test_reply_stream_ignores_a_failure_after_the_end() -> None:
    made, batcher = stream(*BEGIN, STOP)
    made.fail(ErrorDetail("worker_lost", "words"))

    assert len(batcher.frames) == 3


def test_reply_stream_replays_from_the_requested_event() -> None:
    made, batcher = stream(*BEGIN, TextDelta("a"), TextDelta("b"))
    batcher.frames.clear()
    made.attach("gw-1", 2)

    assert sent(batcher) == [(2, TextDelta("a")), (3, TextDelta("b"))]
    assert all(now for _, _, now in batcher.frames)


def test_reply_stream_replays_the_end() -> None:
    made, batcher = stream(*BEGIN, STOP)
    batcher.frames.clear()
    made.attach("gw-1", 0)

    assert sent(batcher) == list(enumerate([*BEGIN, STOP]))


def test_reply_stream_replays_nothing_beyond_the_last_event() -> None:
    made, batcher = stream(*BEGIN)
    batcher.frames.clear()
    made.attach("gw-1", 2)

    assert batcher.frames == []


def test_reply_stream_continues_to_all_gateways_that_read_it() -> None:
    made, batcher = stream(*BEGIN, TextDelta("a"))
    batcher.frames.clear()
    made.attach("gw-2", 2)
    made.emit(TextDelta("b"))

    first, second = "penstock.replies.gw-1.default.main", "penstock.replies.gw-2.default.main"
    assert [subject for subject, _, _ in batcher.frames] == [second, f"{first} {second}"]
    assert sent(batcher) == [(2, TextDelta("a")), (3, TextDelta("b"))]

    made.release("gw-1")
    made.emit(TextDelta("c"))

    assert batcher.frames[-1][0] == second


def test_reply_stream_keeps_its_numbers_after_a_replay() -> None:
    made, batcher = stream(*BEGIN)
    made.attach("gw-1", 0)
    made.emit(STOP)

    assert sent(batcher)[-1] == (2, STOP)


LARGE: dict[str, Event] = {
    "text": TextDelta("x" * 1000),
    "reasoning": ReasoningDelta("x" * 1000),
    "a refusal": RefusalDelta("x" * 1000),
    "arguments": ToolCallDelta(0, None, None, "x" * 1000),
    "vectors": Embedded(0, b"x" * 1000),
    "text outside ASCII": TextDelta("🌍" * 250),
}


@pytest.mark.parametrize("event", LARGE.values(), ids=LARGE.keys())
def test_reply_stream_keeps_the_last_events_within_its_bound(event: Event) -> None:
    made, batcher = stream(*BEGIN, *[event] * 20, bytes_max=10_000)
    assert len(batcher.frames) == 22
    batcher.frames.clear()
    made.attach("gw-1", 13)

    assert sent(batcher) == [(seq, event) for seq in range(13, 22)]


@pytest.mark.parametrize("event", LARGE.values(), ids=LARGE.keys())
def test_reply_stream_reports_events_older_than_the_kept_ones_as_lost(event: Event) -> None:
    made, batcher = stream(*BEGIN, *[event] * 20, bytes_max=10_000)
    batcher.frames.clear()
    made.attach("gw-1", 12)

    [(seq, lost)] = sent(batcher)
    assert seq == 12
    assert isinstance(lost, Failed)
    assert lost.error.code == "stream_lost"


@pytest.mark.parametrize("bytes_max", [0, 10_000])
def test_reply_stream_beyond_its_bound_serves_a_gateway_that_misses_nothing(bytes_max: int) -> None:
    """A gateway attaches after ten silent seconds, and after every reconnect to the broker."""
    made, batcher = stream(*BEGIN, *[LARGE["text"]] * 20, bytes_max=bytes_max)
    batcher.frames.clear()
    made.attach("gw-1", 22)
    made.emit(STOP)

    assert sent(batcher) == [(22, STOP)]


def test_reply_stream_beyond_its_bound_repeats_the_last_event() -> None:
    made, batcher = stream(*BEGIN, *[LARGE["text"]] * 20, STOP, bytes_max=10_000)
    batcher.frames.clear()
    made.repeat_last()

    assert sent(batcher) == [(22, STOP)]


def test_reply_stream_counts_output_beyond_the_bound() -> None:
    made, _ = stream(*BEGIN, *[LARGE["text"]] * 20, bytes_max=10_000)

    assert (made.deltas, made.text_bytes) == (20, 20_000)


def test_reply_stream_within_its_bound_is_replayed_whole() -> None:
    made, batcher = stream(*BEGIN, *[LARGE["text"]] * 8, bytes_max=10_000)
    batcher.frames.clear()
    made.attach("gw-1", 0)

    assert len(batcher.frames) == 10


def test_reply_stream_counts_no_fields_and_no_choices_as_output() -> None:
    fields = AnswerFields("choice", b'{"logprobs":{"content":[]}}')
    made, _ = stream(*BEGIN, fields, TextDelta("ab"), ChoiceSwitched(1), fields, TextDelta("c"), ChoiceFinished("stop"))

    assert (made.deltas, made.text_bytes) == (2, 3)
