"""The protocol state of a stream, without IO: attempts, sequence numbers, gaps and phases."""

import pytest

from penstock_contract.stream.events import Accepted, Event, Finished, Started, TextDelta
from penstock_gateway.streaming.stream_protocol import FrameResult, StreamProtocol

ANSWER: list[Event] = [Accepted("w", 0.1), Started("main"), TextDelta("a"), TextDelta("b"), Finished("stop")]


def received(*frames: tuple[int, int, Event]) -> tuple[StreamProtocol, list[FrameResult]]:
    """The state and the results after frames of (attempt, sequence number, event), one a second."""
    protocol = StreamProtocol()
    return protocol, [protocol.receive(*frame, now) for now, frame in enumerate(frames)]


def frames(count: int, *, attempt: int = 1) -> list[tuple[int, int, Event]]:
    return [(attempt, seq, event) for seq, event in enumerate(ANSWER[:count])]


def test_stream_protocol_accepts_an_answer_in_order() -> None:
    protocol, results = received(*frames(5))

    assert results == [FrameResult.ACCEPTED] * 5
    assert (protocol.attempt, protocol.started, protocol.next_seq) == (1, True, 5)


@pytest.mark.parametrize(("count", "started"), [(0, False), (1, False), (2, True), (5, True)])
def test_stream_protocol_starts_with_the_providers_first_event(count: int, started: bool) -> None:
    assert received(*frames(count))[0].started == started


def test_stream_protocol_ignores_repeated_frames() -> None:
    _, results = received(*frames(3), *frames(3))

    assert results[3:] == [FrameResult.IGNORED] * 3


def test_stream_protocol_times_a_gap_from_its_first_frame_until_it_is_closed() -> None:
    protocol, results = received(*frames(2), (1, 3, ANSWER[3]), (1, 4, ANSWER[4]))
    assert results[2:] == [FrameResult.IGNORED] * 2
    assert (protocol.gap_since, protocol.next_seq) == (2, 2)

    assert protocol.receive(1, 2, ANSWER[2], 9.0) is FrameResult.ACCEPTED
    assert protocol.gap_since is None


def test_stream_protocol_replaces_an_attempt_that_has_not_started() -> None:
    protocol, results = received(*frames(1), *frames(2, attempt=2), (1, 1, ANSWER[1]))

    assert results == [FrameResult.ACCEPTED] * 3 + [FrameResult.REPLACED]
    assert protocol.attempt == 2


def test_stream_protocol_keeps_an_attempt_that_has_started() -> None:
    protocol, results = received(*frames(2), *frames(2, attempt=2))

    assert results[2:] == [FrameResult.REPLACED] * 2
    assert protocol.attempt == 1


@pytest.mark.parametrize("event", [ANSWER[0], ANSWER[1]])
def test_stream_protocol_reports_an_illegal_event(event: Event) -> None:
    _, results = received(*frames(3), (1, 3, event))

    assert results[3] is FrameResult.ILLEGAL
