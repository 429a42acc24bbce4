"""Lost gateways as a worker detects them: `tests/unit/runtime/test_peer_liveness.py` has the rules of time."""

from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import GIVEN_UP_S, HEARTBEAT_S, LOST_S
from penstock_worker.gateway_monitor import GatewayLiveness


def serving(until: int = 60) -> GatewayLiveness:
    pause_detector = PauseDetector(HEARTBEAT_S)
    for second in range(until + 1):
        pause_detector.record_answer(float(second))
    gateways = GatewayLiveness(pause_detector)
    gateways.expect("gw", 0.0)
    return gateways


def test_gateway_liveness_probes_a_silent_gateway_and_loses_it_once_without_a_connection() -> None:
    gateways = serving()
    assert gateways.silent(LOST_S) == []
    assert gateways.silent(LOST_S + 0.1) == ["gw"]
    assert gateways.take_lost(LOST_S + 0.1) == []
    gateways.mark_disconnected("gw", LOST_S + 0.2)
    assert gateways.take_lost(LOST_S + 0.2) == ["gw"]
    assert gateways.take_lost(60) == []


def test_gateway_liveness_loses_a_connected_gateway_after_the_longest_silence() -> None:
    gateways = serving()
    assert gateways.take_lost(GIVEN_UP_S) == []
    assert gateways.take_lost(GIVEN_UP_S + 0.1) == ["gw"]


def test_gateway_liveness_keeps_a_gateway_with_heartbeats() -> None:
    gateways = serving()
    for second in range(60):
        gateways.record_heartbeat("gw", second)
        assert gateways.silent(second + 1) == []
        assert gateways.take_lost(second + 1) == []


def test_gateway_liveness_gives_no_more_time_for_another_request() -> None:
    gateways = serving()
    gateways.expect("gw", 3)
    assert gateways.silent(LOST_S + 0.1) == ["gw"]


def test_gateway_liveness_counts_silence_from_the_reconnect() -> None:
    gateways = serving()
    gateways.rebase(3)
    assert gateways.silent(3 + LOST_S) == []
    assert gateways.silent(3.1 + LOST_S) == ["gw"]
