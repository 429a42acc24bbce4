"""Silence is counted in time that we were there to hear."""

import pytest

from penstock_runtime.pause_detector import LATE_S, REMEMBERED_S, PauseDetector

EVERY_S = 0.25


def looking(*times: float) -> PauseDetector:
    pause_detector = PauseDetector(EVERY_S)
    for now in times:
        pause_detector.record_answer(now)
    return pause_detector


def test_time_passes_while_we_look() -> None:
    assert looking(0, 0.25, 0.5, 0.75, 1.0).elapsed_s(0.1, 1.0) == pytest.approx(0.9)


def test_jitter_of_a_busy_loop_is_no_absence() -> None:
    assert looking(0, EVERY_S + LATE_S).elapsed_s(0, 1.0) == 1.0


def test_an_absence_does_not_count() -> None:
    pause_detector = looking(0, 0.25, 5.0)
    assert pause_detector.elapsed_s(0, 5.0) == pytest.approx(0.5)
    assert pause_detector.elapsed_s(0, 5.5) == pytest.approx(1.0)


def test_an_absence_that_has_not_ended_does_not_count() -> None:
    pause_detector = looking(0, 0.25)
    assert pause_detector.paused_since(0.25 + EVERY_S + LATE_S) is None
    assert pause_detector.paused_since(9.0) == 0.25 + EVERY_S + LATE_S
    assert pause_detector.elapsed_s(0, 9.0) == pytest.approx(0.25 + EVERY_S + LATE_S)
    assert pause_detector.elapsed_s(8.0, 9.0) == 0


def test_no_time_has_passed_before_the_first_answer() -> None:
    pause_detector = PauseDetector(EVERY_S)
    assert pause_detector.elapsed_s(0, 60) == 0
    assert pause_detector.paused_since(60) is None


def test_nor_does_that_part_of_it_which_came_after() -> None:
    pause_detector = looking(0, 5.0)
    assert pause_detector.elapsed_s(4.0, 5.0) == 0
    assert pause_detector.elapsed_s(5.25, 5.75) == 0.5


def test_absences_add_up_so_that_what_is_dead_is_found_out_by_who_is_never_quite_there() -> None:
    times = [float(number) for number in range(20)]
    assert looking(*times).elapsed_s(0, 19) == pytest.approx(19 * EVERY_S)


def test_what_is_long_ago_is_forgotten() -> None:
    pause_detector = looking(0, 5.0, *(5.0 + EVERY_S * number for number in range(1, int(REMEMBERED_S / EVERY_S) + 8)))
    assert not pause_detector._absences
