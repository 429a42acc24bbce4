"""A history keeps windows of samples in bounded space."""

import pytest

from penstock_operator.scaling.history import BUCKETS, BUCKETS_MAX, History, Window


def filled(values: list[tuple[float, int]], length_s: float = 60.0) -> Window:
    window = Window()
    for at, value in values:
        window = window.add(value, at, length_s)
    return window


def test_history_window_is_empty_at_first() -> None:
    assert (Window().peak, Window().mean) == (0, 0.0)


def test_history_keeps_the_peak_for_the_whole_window() -> None:
    assert filled([(0, 9), *((at, 1) for at in range(1, 61))]).peak == 9


def test_history_removes_the_peak_with_its_bucket() -> None:
    late = 60 / BUCKETS
    assert filled([(0, 9), *((at, 1) for at in range(1, 61 + int(late)))]).peak == 1


def test_history_mean_is_weighted_by_time() -> None:
    flurry = [(10 + n / 1000, 100) for n in range(50)]
    assert filled([(0, 0), *flurry, (20, 0), (30, 0)]).mean == 25.0


@pytest.mark.parametrize("step", [0.001, 0.1, 1.0, 7.0])
def test_history_is_bounded_at_any_rate_of_samples(step: float) -> None:
    assert len(filled([(n * step, n) for n in range(5000)]).buckets) <= BUCKETS + 1


def test_history_keeps_its_peak_and_its_bound_when_the_window_grows() -> None:
    window = Window()
    now = 0.0
    for length_s in range(2, 3600):
        now += 1.0
        window = window.add(5000 - length_s, now, float(length_s))
        assert len(window.buckets) <= BUCKETS_MAX
    assert window.peak > 3000


def test_history_drops_older_samples_when_the_window_shrinks() -> None:
    window = filled([(at, 100 - at) for at in range(60)])
    assert window.add(1, 60.0, 5.0).peak == 100 - 54


def test_history_is_complete_from_the_first_observation() -> None:
    history = History().observed(0, 3, 10.0, stable_s=60, panic_s=6)
    assert (history.covered_since, history.idle_since, history.serving) == (10.0, 10.0, 3)


def test_history_keeps_its_peaks_at_an_unknown_moment_and_restarts_its_completeness() -> None:
    history = History().observed(7, 3, 10.0, stable_s=60, panic_s=6).unknown(11.0).unknown(12.0)
    assert (history.covered_since, history.idle_since, history.unknown_since) == (None, None, 11.0)
    assert history.stable.peak == 7


def test_history_keeps_the_highest_demand_of_a_panic_until_its_end() -> None:
    history = History().panicking(0.0, surge=True, demand=50, stable_s=60)
    history = history.panicking(10.0, surge=False, demand=80, stable_s=60)
    assert (history.panic_at, history.panic_peak) == (0.0, 80)
    history = history.panicking(20.0, surge=True, demand=40, stable_s=60)
    assert (history.panic_at, history.panic_peak) == (20.0, 80)
    history = history.panicking(80.0, surge=False, demand=10, stable_s=60)
    assert (history.panic_at, history.panic_peak) == (None, 0)
