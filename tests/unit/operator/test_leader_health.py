"""Probe results of a leader."""

from typing import Any

from penstock_operator.kube.resources import PODS, Collection
from penstock_operator.kube.watch.liveness import LATE, UNRECOVERED, WatchLiveness
from penstock_operator.leader_health import ANSWERED_S, LeaderHealth
from penstock_runtime.probes import Probes

WATCH = Collection(PODS, "team")
SILENCE_S = 8.0


def leader(**fields: Any) -> LeaderHealth:
    """A leader whose watches received something at 0."""
    liveness = WatchLiveness([WATCH], SILENCE_S)
    liveness.begin(0.0)
    return LeaderHealth(liveness, **{"answered_at": 0.0, "unlisted": "", "unserved": "", **fields})


def response(path: str, of: LeaderHealth, now: float) -> tuple[int, bytes]:
    probes = Probes("127.0.0.1", 0, live=lambda: of.liveness_failure(now), ready=lambda: of.readiness_failure(now))
    return probes.answer(path)[:2]


def test_probe_leader_with_live_watches_is_live_and_ready() -> None:
    assert response("/livez", leader(), SILENCE_S) == (200, b"ok\n")
    assert response("/readyz", leader(), SILENCE_S) == (200, b"ok\n")


def test_probe_fails_liveness_for_a_silent_watch_while_the_api_server_answers() -> None:
    now = UNRECOVERED * SILENCE_S + 1
    expected = (503, b"a watch has been silent for 65 s, and the API server responds\n")
    assert response("/livez", leader(answered_at=now - 2), now) == expected


def test_probe_is_live_while_the_api_server_is_unavailable() -> None:
    now = UNRECOVERED * SILENCE_S + 1
    assert response("/livez", leader(answered_at=now - ANSWERED_S), now) == (200, b"ok\n")
    assert response("/livez", leader(answered_at=None), now) == (200, b"ok\n")


def test_probe_is_live_and_not_ready_with_a_late_watch() -> None:
    now = LATE * SILENCE_S + 1
    assert response("/readyz", leader(answered_at=now), now) == (503, b"a watch has been silent for 17 s\n")
    assert response("/livez", leader(answered_at=now), now)[0] == 200


def test_probe_is_not_ready_before_the_lists_are_complete() -> None:
    assert response("/readyz", leader(unlisted="pods of a"), 1) == (503, b"not listed yet: pods of a\n")
    assert response("/readyz", leader(unserved="pods of a"), 1) == (503, b"no namespace is served: pods of a\n")
