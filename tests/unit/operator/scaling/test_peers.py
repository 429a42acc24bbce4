"""The ports of the other autoscalers, by the examples of the originals' own tests and pages."""

import pytest
from scaling.hpa import Behavior, per_pod_metric_replicas
from scaling.knative import Averages, Scaler
from scaling.kubeai import MovingAverage, ScaleDowns


@pytest.mark.parametrize(
    ("current", "metric", "target", "expected"),
    [
        (3, 20_000, 5_000, 4),  # replica_calculator_test.go, TestReplicaCalcScaleUpCMPerPodObject
        (3, 8_600, 2_867, 3),  # 99.98 % is within the tolerance.
        (5, 8_600, 2_867, 3),
        (10, 87, 8, 10),
        (10, 89, 8, 12),
    ],
)
def test_simulation_hpa_scales_by_metric_over_target_beyond_its_tolerance(
    current: int, metric: float, target: float, expected: int
) -> None:
    assert per_pod_metric_replicas(current, metric, target) == expected


def test_simulation_hpa_adds_four_pods_or_doubles_in_fifteen_seconds() -> None:
    behavior = Behavior()
    assert behavior.limit(1, 20, 0.0) == 5
    assert behavior.limit(5, 20, 15.0) == 10
    assert behavior.limit(10, 20, 30.0) == 20


def test_simulation_hpa_counts_added_pods_within_the_period() -> None:
    behavior = Behavior()
    assert behavior.limit(1, 20, 0.0) == 5
    assert behavior.limit(5, 20, 10.0) == 5


def test_simulation_hpa_scales_in_to_the_highest_of_five_minutes() -> None:
    behavior = Behavior()
    behavior.limit(10, 10, 0.0)
    behavior.limit(10, 6, 100.0)
    assert behavior.limit(10, 2, 299.0) == 10
    assert behavior.limit(10, 2, 300.0) == 6
    assert behavior.limit(6, 2, 400.0) == 2


def test_simulation_hpa_leaves_the_last_pod_to_keda() -> None:
    assert Behavior().limit(1, 0, 0.0) == 1


@pytest.mark.parametrize(
    ("target", "stable", "panic", "ready", "expected"),
    [
        (10, 0, 0, 1, 0),  # AutoscalerNoDataAtZeroNoAutoscale
        (181, 21, 26, 1, 1),  # AutoscalerStableModeUnlimitedTBC
        (10, 50, 49, 1, 5),  # Autoscaler0TBC
        (10, 50, 50, 5, 5),  # AutoscalerStableModeNoChangeAlreadyScaled
        (10, 50, 100, 1, 10),  # AutoscalerPanicModeDoublePodCount
        (10, 1000, 1001, 1, 10),  # TestAutoscalerRateLimitScaleUp
        (10, 1, 1, 100, 10),  # TestAutoscalerRateLimitScaleDown
        (10, 1000, 888, 0, 10),  # TestAutoscalerUseOnePodAsMinimumIfEndpointsNotFound
    ],
)
def test_simulation_knative_follows_its_table(
    target: float, stable: float, panic: float, ready: int, expected: int
) -> None:
    scaler = Scaler(target, max_up_rate=10, max_down_rate=10)
    assert scaler.scale(stable, panic, ready, 0.0) == expected


def test_simulation_knative_scales_in_after_its_panic() -> None:
    """TestAutoscalerPanicThenUnPanicScaleDown"""
    scaler = Scaler(10, max_up_rate=10, max_down_rate=10)
    assert scaler.scale(100, 100, 1, 0.0) == 10
    assert scaler.scale(100, 1000, 10, 1.0) == 100
    assert scaler.scale(1, 1, 10, 31.0) == 100
    assert scaler.scale(1, 1, 10, 62.0) == 1


def test_simulation_knative_ends_its_panic_after_a_slow_increase() -> None:
    """TestAutoscalerUnpanicAfterSlowIncrease"""
    scaler = Scaler(1, max_up_rate=10, max_down_rate=10)
    assert scaler.scale(11, 25, 10, 0.0) == 25
    assert scaler.scale(30, 41, 40, 30.0) == 41
    assert scaler.scale(50, 56, 55, 62.0) == 50


def test_simulation_knative_extends_its_panic() -> None:
    """TestAutoscalerExtendPanicWindow"""
    scaler = Scaler(1, max_up_rate=10, max_down_rate=10)
    scaler.scale(11, 25, 10, 0.0)
    assert scaler.scale(30, 80, 40, 30.0) == 80
    assert scaler.panic_at == 30.0


def test_simulation_knative_averages_over_the_received_reports() -> None:
    averages = Averages()
    assert averages.mean(60, 0.0) is None
    for at, value in ((0.0, 10), (1.0, 20), (58.0, 60)):
        averages.report(value, at)
    assert averages.mean(60, 58.0) == 30
    assert averages.mean(6, 58.0) == 60
    assert averages.mean(60, 60.5) == 40


@pytest.mark.parametrize(
    ("length", "values", "expected"),
    [
        (3, [1, 2, 3], 2),
        (3, [3, 2, 1], 2),
        (3, [3, 2, 1, 1, 1, 1], 1),
        (2, [2, 3], 2.5),
        (3, [2, 2, 2], 2),
        (3, [3], 1),  # The zeros at its start count.
    ],
)
def test_simulation_kubeai_follows_its_table(length: int, values: list[float], expected: float) -> None:
    average = MovingAverage(length)
    assert [average.next(value) for value in values][-1] == expected


def test_simulation_kubeai_scales_in_after_consecutive_ticks() -> None:
    downs = ScaleDowns(3)
    assert [downs.allow(5, 2) for _ in range(4)] == [False, False, False, True]


def test_simulation_kubeai_restarts_its_count_when_the_number_fits() -> None:
    downs = ScaleDowns(3)
    assert [downs.allow(5, 2), downs.allow(5, 2), downs.allow(5, 5), downs.allow(5, 2)] == [False, False, True, False]
