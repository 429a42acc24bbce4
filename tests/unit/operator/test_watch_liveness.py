"""Liveness of watches: a healthy watch is never late, and a silent one is detected despite restarts."""

import pytest

from penstock_operator.kube.resources import MODEL_ROUTES, PODS, Collection
from penstock_operator.kube.watch.liveness import STUCK, UNRECOVERED, WatchLiveness
from penstock_operator.kube.watch.watcher import RESTART_MAX_S

WATCH, OTHER = Collection(PODS, "team"), Collection(MODEL_ROUTES, "team")
ALLOWED = pytest.mark.parametrize("silence_s", [6.0, 8.0, 62.0, 300.0])
"""The bounds of PENSTOCK_WATCH_SILENCE_S, its default, and one above a minute."""


def liveness(silence_s: float = 8.0) -> WatchLiveness:
    made = WatchLiveness([WATCH, OTHER], silence_s)
    made.begin(1_000.0)
    return made


def test_watch_liveness_is_not_silent_before_begin() -> None:
    made = WatchLiveness([WATCH], 8.0)
    assert made.silent_s(1_000_000.0) == 0.0
    assert not made.is_unrecovered(1_000_000.0)


@ALLOWED
def test_watch_liveness_of_a_healthy_watch_is_neither_late_nor_stuck_nor_dead(silence_s: float) -> None:
    made, now = liveness(silence_s), 1_000.0
    for _ in range(100):
        now += silence_s
        assert [made.is_late(now), made.is_stuck(now), made.is_unrecovered(now)] == [False] * 3
        made.record(WATCH, now)
        made.record(OTHER, now)


@ALLOWED
def test_watch_liveness_of_a_silent_watch_is_dead_despite_restarts_of_kopf(silence_s: float) -> None:
    made, now, starts = liveness(silence_s), 1_000.0, 0
    while not made.is_unrecovered(now):
        now += 0.5
        made.record(OTHER, now)
        if made.is_stuck(now):
            starts += 1
            made.begin(now)
    assert starts == 2
    assert now - 1_000.0 == UNRECOVERED * silence_s + 0.5


@ALLOWED
def test_watch_liveness_allows_a_restart_of_kopf_its_time(silence_s: float) -> None:
    made = liveness(silence_s)
    now = 1_000.0 + STUCK * silence_s + 0.5
    assert made.is_stuck(now)
    made.begin(now + RESTART_MAX_S)
    assert not made.is_stuck(now + RESTART_MAX_S + silence_s)
    assert made.is_late(now + RESTART_MAX_S), "it is as silent as it was"
    for watch in (WATCH, OTHER):
        made.record(watch, now + RESTART_MAX_S + 1)
    assert made.silent_s(now + RESTART_MAX_S + 1) == 0
