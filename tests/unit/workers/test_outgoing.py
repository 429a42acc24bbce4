"""A stream on its way to its gateway: numbered, checked, kept for replay within a bound."""

import pytest
from unit.support.sessions import Outbox

from penstock_contract.errors import ErrorDetail
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
)
from penstock_contract.stream.state import IllegalEvent
from penstock_worker.sessions.reply_stream import OutgoingStream

BEGIN: list[Event] = [Accepted("worker-1", 0.0), Started("a")]
STOP = Finished("stop")


def stream(*events: Event, bytes_max: int = 100_000) -> tuple[OutgoingStream, Outbox]:
    outbox = Outbox()
    made = OutgoingStream(
        outbox,  # type: ignore[arg-type]
        ("default", "main"),
        7,
        2,
        "gw-1",
        replay_bytes_max=bytes_max,
    )
    for event in events:
        made.emit(event)
    return made, outbox


def sent(outbox: Outbox) -> list[tuple[int, Event]]:
    return [(frame.seq, frame.event) for _, frame, _ in outbox.frames]


def test_events_are_numbered_from_zero_under_stream_and_attempt() -> None:
    _, outbox = stream(*BEGIN, TextDelta("a"), STOP)

    assert sent(outbox) == list(enumerate([*BEGIN, TextDelta("a"), STOP]))
    assert {(frame.stream, frame.attempt) for _, frame, _ in outbox.frames} == {(7, 2)}
    assert {subject for subject, _, _ in outbox.frames} == {"penstock.replies.gw-1.default.main"}


def test_what_a_client_waits_for_is_urgent_and_the_rest_is_not() -> None:
    _, outbox = stream(*BEGIN, TextDelta("a"), TextDelta("b"), TextDelta("c"), STOP)

    assert [now for _, _, now in outbox.frames] == [False, True, True, False, False, True]


def test_an_event_that_the_grammar_forbids_is_not_sent() -> None:
    made, outbox = stream(BEGIN[0])

    with pytest.raises(IllegalEvent):
        made.emit(TextDelta("a"))

    assert sent(outbox) == [(0, BEGIN[0])]


def test_a_failure_ends_the_stream_once() -> None:
    made, outbox = stream(*BEGIN)
    made.fail(ErrorDetail("idle_timeout", "words"))
    made.fail(ErrorDetail("worker_lost", "words"))

    assert made.ended
    assert sent(outbox)[2:] == [(2, Failed(ErrorDetail("idle_timeout", "words")))]


def test_a_failure_after_the_end_says_nothing() -> None:
    made, outbox = stream(*BEGIN, STOP)
    made.fail(ErrorDetail("worker_lost", "words"))

    assert len(outbox.frames) == 3


def test_a_replay_sends_again_from_where_it_is_asked() -> None:
    made, outbox = stream(*BEGIN, TextDelta("a"), TextDelta("b"))
    outbox.frames.clear()
    made.attach("gw-1", 2)

    assert sent(outbox) == [(2, TextDelta("a")), (3, TextDelta("b"))]
    assert all(now for _, _, now in outbox.frames)


def test_a_replay_of_an_ended_stream_has_its_end() -> None:
    made, outbox = stream(*BEGIN, STOP)
    outbox.frames.clear()
    made.attach("gw-1", 0)

    assert sent(outbox) == list(enumerate([*BEGIN, STOP]))


def test_a_replay_from_beyond_the_last_event_sends_nothing() -> None:
    made, outbox = stream(*BEGIN)
    outbox.frames.clear()
    made.attach("gw-1", 2)

    assert outbox.frames == []


def test_another_gateway_gets_the_replay_and_everything_after_it() -> None:
    made, outbox = stream(*BEGIN, TextDelta("a"))
    outbox.frames.clear()
    made.attach("gw-2", 2)
    made.emit(TextDelta("b"))

    assert made.gateway == "gw-2"
    assert {subject for subject, _, _ in outbox.frames} == {"penstock.replies.gw-2.default.main"}
    assert sent(outbox) == [(2, TextDelta("a")), (3, TextDelta("b"))]


def test_a_replayed_stream_goes_on_with_the_same_numbers() -> None:
    made, outbox = stream(*BEGIN)
    made.attach("gw-1", 0)
    made.emit(STOP)

    assert sent(outbox)[-1] == (2, STOP)


LARGE: dict[str, Event] = {
    "text": TextDelta("x" * 1000),
    "reasoning": ReasoningDelta("x" * 1000),
    "a refusal": RefusalDelta("x" * 1000),
    "arguments": ToolCallDelta(0, None, None, "x" * 1000),
    "vectors": Embedded(0, b"x" * 1000),
    "text outside ASCII": TextDelta("🌍" * 250),
}


@pytest.mark.parametrize("event", LARGE.values(), ids=LARGE.keys())
def test_of_a_stream_beyond_its_bound_the_last_events_are_kept(event: Event) -> None:
    made, outbox = stream(*BEGIN, *[event] * 20, bytes_max=10_000)
    assert len(outbox.frames) == 22
    outbox.frames.clear()
    made.attach("gw-1", 13)

    assert sent(outbox) == [(seq, event) for seq in range(13, 22)]


@pytest.mark.parametrize("event", LARGE.values(), ids=LARGE.keys())
def test_what_is_older_than_what_is_kept_is_lost(event: Event) -> None:
    made, outbox = stream(*BEGIN, *[event] * 20, bytes_max=10_000)
    outbox.frames.clear()
    made.attach("gw-1", 12)

    [(seq, lost)] = sent(outbox)
    assert seq == 12
    assert isinstance(lost, Failed)
    assert lost.error.code == "stream_lost"


@pytest.mark.parametrize("bytes_max", [0, 10_000])
def test_a_gateway_that_misses_nothing_of_a_stream_beyond_its_bound_loses_nothing(bytes_max: int) -> None:
    """It asks after ten quiet seconds, and after every reconnect to the broker."""
    made, outbox = stream(*BEGIN, *[LARGE["text"]] * 20, bytes_max=bytes_max)
    outbox.frames.clear()
    made.attach("gw-1", 22)
    made.emit(STOP)

    assert sent(outbox) == [(22, STOP)]


def test_the_last_event_of_a_stream_beyond_its_bound_is_repeated() -> None:
    made, outbox = stream(*BEGIN, *[LARGE["text"]] * 20, STOP, bytes_max=10_000)
    outbox.frames.clear()
    made.repeat_last()

    assert sent(outbox) == [(22, STOP)]


def test_what_was_said_is_counted_also_beyond_the_bound() -> None:
    made, _ = stream(*BEGIN, *[LARGE["text"]] * 20, bytes_max=10_000)

    assert (made.deltas, made.text_bytes) == (20, 20_000)


def test_a_stream_within_its_bound_can_be_replayed() -> None:
    made, outbox = stream(*BEGIN, *[LARGE["text"]] * 8, bytes_max=10_000)
    outbox.frames.clear()
    made.attach("gw-1", 0)

    assert len(outbox.frames) == 10
