"""States of peers over time: alive, silent, lost."""

import pytest

from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import (
    EXPIRE_S,
    GIVEN_UP_S,
    HEARTBEAT_S,
    LOST_S,
    SILENCE_MAX_S,
    PeerState,
    PeerTable,
)


class Table:
    """A peer with a heartbeat at 0, and a broker that answers at each second but those in `without`."""

    def __init__(self, *, without: range = range(0), until: int = 100) -> None:
        self.pause_detector = PauseDetector(HEARTBEAT_S)
        for second in range(until + 1):
            if second not in without:
                self.pause_detector.record_answer(float(second))
        self.peers: PeerTable[str, int] = PeerTable(self.pause_detector)
        self.peers.record_heartbeat("p", 7, 0.0)

    def at(self, now: float) -> PeerState:
        return self.peers.state("p", now)


@pytest.mark.parametrize(
    ("silent_s", "expected"),
    [
        (0, PeerState.ALIVE),
        (LOST_S, PeerState.ALIVE),
        (LOST_S + 0.1, PeerState.SILENT),
        (GIVEN_UP_S, PeerState.SILENT),
        (GIVEN_UP_S + 0.1, PeerState.LOST),
    ],
)
def test_peer_liveness_state_is_silent_after_three_and_a_half_heartbeats_and_lost_after_the_longest_silence(
    silent_s: float, expected: PeerState
) -> None:
    assert Table().at(silent_s) is expected


def test_peer_liveness_longest_silence_begins_when_the_next_heartbeat_is_late() -> None:
    last_heartbeat_before_it_s = HEARTBEAT_S
    assert Table().at(last_heartbeat_before_it_s + SILENCE_MAX_S) is PeerState.SILENT


def test_peer_liveness_loses_a_silent_peer_without_a_connection() -> None:
    table = Table()
    table.peers.mark_disconnected("p", LOST_S + 0.1)
    assert table.at(LOST_S + 0.1) is PeerState.LOST


def test_peer_liveness_keeps_a_peer_with_a_heartbeat_during_its_probe() -> None:
    table = Table()
    table.peers.record_heartbeat("p", 7, LOST_S + 0.1)
    table.peers.mark_disconnected("p", LOST_S + 0.2)
    assert table.at(LOST_S + 0.2) is PeerState.ALIVE


def test_peer_liveness_reports_a_lost_peer_with_a_heartbeat_as_new() -> None:
    table = Table()
    assert not table.peers.record_heartbeat("p", 7, 1.0)
    table.peers.mark_disconnected("p", 1.1 + LOST_S)
    assert table.peers.record_heartbeat("p", 8, 2.0 + LOST_S)
    peer = table.peers.get("p")
    assert peer is not None
    assert (peer.value, peer.since, table.at(2.0 + LOST_S)) == (8, 2.0 + LOST_S, PeerState.ALIVE)


def test_peer_liveness_does_not_count_time_without_an_answer_of_the_broker() -> None:
    table = Table(without=range(1, 9))
    assert table.at(8.0) is PeerState.ALIVE
    assert table.at(9.0) is PeerState.ALIVE
    assert table.at(8.0 + LOST_S) is PeerState.ALIVE
    assert table.at(8.2 + LOST_S) is PeerState.SILENT


def test_peer_liveness_does_not_count_time_while_the_broker_does_not_answer() -> None:
    assert Table(until=0).at(3600) is PeerState.ALIVE


def test_peer_liveness_restarts_the_time_of_all_peers_but_the_lost_after_a_reconnect() -> None:
    table = Table()
    table.peers.record_heartbeat("q", 1, 2.0)
    table.peers.mark_disconnected("p", LOST_S + 0.1)
    table.peers.rebase(4.0)
    assert table.at(4.0) is PeerState.LOST
    assert table.peers.state("q", 4.0 + LOST_S) is PeerState.ALIVE


def test_peer_liveness_loses_an_expected_peer_without_any_heartbeat() -> None:
    table = Table()
    table.peers.expect("q", 1, 10.0)
    table.peers.expect("q", 1, 12.0)
    assert table.peers.state("q", 10.0 + LOST_S) is PeerState.ALIVE
    assert [key for key, _ in table.peers.in_state(PeerState.SILENT, 10.1 + LOST_S)] == ["p", "q"][1:]
    assert table.peers.take_lost(10.1 + GIVEN_UP_S) == ["p", "q"]
    assert len(table.peers) == 0


def test_peer_liveness_drops_old_peers() -> None:
    table = Table()
    table.peers.expire(EXPIRE_S - 1)
    assert len(table.peers) == 1
    table.peers.expire(EXPIRE_S)
    assert len(table.peers) == 0
