"""A worker finds out that a gateway is lost: `tests/unit/runtime/test_peer_table.py` has the rules of time."""

from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_table import GIVEN_UP_S, HEARTBEAT_S, LOST_S
from penstock_worker.gateway_liveness import Gateways


def serving(until: int = 60) -> Gateways:
    pause_detector = PauseDetector(HEARTBEAT_S)
    for second in range(until + 1):
        pause_detector.record_answer(float(second))
    gateways = Gateways(pause_detector)
    gateways.serve("gw", 0.0)
    return gateways


def test_a_gateway_that_falls_silent_is_probed_and_lost_once_when_the_broker_has_no_connection_of_it() -> None:
    gateways = serving()
    assert gateways.silent(LOST_S) == []
    assert gateways.silent(LOST_S + 0.1) == ["gw"]
    assert gateways.take_lost(LOST_S + 0.1) == []
    gateways.disconnected("gw", LOST_S + 0.2)
    assert gateways.take_lost(LOST_S + 0.2) == ["gw"]
    assert gateways.take_lost(60) == []


def test_a_gateway_whose_connection_stays_is_lost_after_the_longest_silence() -> None:
    gateways = serving()
    assert gateways.take_lost(GIVEN_UP_S) == []
    assert gateways.take_lost(GIVEN_UP_S + 0.1) == ["gw"]


def test_a_gateway_that_is_heard_is_neither() -> None:
    gateways = serving()
    for second in range(60):
        gateways.heard("gw", second)
        assert gateways.silent(second + 1) == []
        assert gateways.take_lost(second + 1) == []


def test_another_request_of_a_gateway_that_is_silent_gives_it_no_more_time() -> None:
    gateways = serving()
    gateways.serve("gw", 3)
    assert gateways.silent(LOST_S + 0.1) == ["gw"]


def test_after_a_reconnect_a_gateway_has_its_time_anew() -> None:
    gateways = serving()
    gateways.reconnected(3)
    assert gateways.silent(3 + LOST_S) == []
    assert gateways.silent(3.1 + LOST_S) == ["gw"]
