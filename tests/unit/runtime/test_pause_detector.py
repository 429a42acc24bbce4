"""Silence is counted only in the time in which this process could receive."""

import pytest

from penstock_runtime.pause_detector import LATE_S, REMEMBERED_S, PauseDetector

EVERY_S = 0.25


def looking(*times: float) -> PauseDetector:
    pause_detector = PauseDetector(EVERY_S)
    for now in times:
        pause_detector.record_answer(now)
    return pause_detector


def test_pause_detector_counts_time_while_it_is_observed() -> None:
    assert looking(0, 0.25, 0.5, 0.75, 1.0).elapsed_s(0.1, 1.0) == pytest.approx(0.9)


def test_pause_detector_takes_jitter_of_a_busy_loop_for_no_pause() -> None:
    assert looking(0, EVERY_S + LATE_S).elapsed_s(0, 1.0) == 1.0


def test_pause_detector_does_not_count_a_pause() -> None:
    pause_detector = looking(0, 0.25, 5.0)
    assert pause_detector.elapsed_s(0, 5.0) == pytest.approx(0.5)
    assert pause_detector.elapsed_s(0, 5.5) == pytest.approx(1.0)


def test_pause_detector_does_not_count_a_pause_that_has_not_ended() -> None:
    pause_detector = looking(0, 0.25)
    assert pause_detector.paused_since(0.25 + EVERY_S + LATE_S) is None
    assert pause_detector.paused_since(9.0) == 0.25 + EVERY_S + LATE_S
    assert pause_detector.elapsed_s(0, 9.0) == pytest.approx(0.25 + EVERY_S + LATE_S)
    assert pause_detector.elapsed_s(8.0, 9.0) == 0


def test_pause_detector_counts_nothing_before_the_first_answer() -> None:
    pause_detector = PauseDetector(EVERY_S)
    assert pause_detector.elapsed_s(0, 60) == 0
    assert pause_detector.paused_since(60) is None


def test_pause_detector_counts_a_span_after_a_pause_and_none_within_it() -> None:
    pause_detector = looking(0, 5.0)
    assert pause_detector.elapsed_s(4.0, 5.0) == 0
    assert pause_detector.elapsed_s(5.25, 5.75) == 0.5


def test_pause_detector_adds_spans_between_pauses_so_that_a_lost_peer_is_detected() -> None:
    times = [float(number) for number in range(20)]
    assert looking(*times).elapsed_s(0, 19) == pytest.approx(19 * EVERY_S)


def test_pause_detector_drops_old_pauses() -> None:
    pause_detector = looking(0, 5.0, *(5.0 + EVERY_S * number for number in range(1, int(REMEMBERED_S / EVERY_S) + 8)))
    assert not pause_detector._absences
