"""Probe results of a leader."""

from typing import Any

from penstock_operator.kube.resources import PODS, Collection
from penstock_operator.kube.watch.liveness import DEAD, LATE, WatchLiveness
from penstock_operator.probe import ANSWERED_S, LeaderHealth
from penstock_runtime.probes import Probes

WATCH = Collection(PODS, "team")
SILENCE_S = 8.0


def leader(**fields: Any) -> LeaderHealth:
    """A leader whose watches received something at 0."""
    liveness = WatchLiveness([WATCH], SILENCE_S)
    liveness.begin(0.0)
    return LeaderHealth(liveness, **{"answered_at": 0.0, "unlisted": "", "unserved": "", **fields})


def asked(path: str, of: LeaderHealth, now: float) -> tuple[int, bytes]:
    probes = Probes("127.0.0.1", 0, live=lambda: of.dead(now), ready=lambda: of.unready(now))
    return probes.answer(path)[:2]


def test_probe_leader_with_live_watches_is_live_and_ready() -> None:
    assert asked("/livez", leader(), SILENCE_S) == (200, b"ok\n")
    assert asked("/readyz", leader(), SILENCE_S) == (200, b"ok\n")


def test_a_watch_that_stays_silent_though_the_api_server_answers_fails_liveness() -> None:
    now = DEAD * SILENCE_S + 1
    told = (503, b"a watch has been silent for 65 s, and the API server responds\n")
    assert asked("/livez", leader(answered_at=now - 2), now) == told


def test_an_api_server_that_is_away_is_no_reason_to_start_again() -> None:
    now = DEAD * SILENCE_S + 1
    assert asked("/livez", leader(answered_at=now - ANSWERED_S), now) == (200, b"ok\n")
    assert asked("/livez", leader(answered_at=None), now) == (200, b"ok\n")


def test_a_watch_that_is_late_is_not_ready_and_live() -> None:
    now = LATE * SILENCE_S + 1
    assert asked("/readyz", leader(answered_at=now), now) == (503, b"a watch has been silent for 17 s\n")
    assert asked("/livez", leader(answered_at=now), now)[0] == 200


def test_what_is_not_listed_is_not_ready() -> None:
    assert asked("/readyz", leader(unlisted="pods of a"), 1) == (503, b"not listed yet: pods of a\n")
    assert asked("/readyz", leader(unserved="pods of a"), 1) == (503, b"no namespace is served: pods of a\n")
