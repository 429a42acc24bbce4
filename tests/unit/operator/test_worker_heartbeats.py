"""Workers by their heartbeats on the broker."""

import msgspec

from penstock_broker.connection import Connection
from penstock_contract import codec, subjects
from penstock_contract.stream.frames import Activation, WorkerHeartbeat
from penstock_operator.scaling.worker_heartbeats import HeartbeatTable, WorkerHeartbeats
from penstock_runtime.clock import ManualClock
from penstock_runtime.pause_detector import LATE_S, PauseDetector
from penstock_runtime.peer_liveness import EXPIRE_S, HEARTBEAT_S, LOST_S

KEY = ("team", "main")


def beat(worker: str = "w", *, slots: int = 8, in_flight: int = 0, draining: bool = False) -> WorkerHeartbeat:
    return WorkerHeartbeat(worker, slots, in_flight, draining, "1")


def answering(until: float) -> PauseDetector:
    """The broker answered every PING until this time."""
    pause_detector = PauseDetector(HEARTBEAT_S)
    for second in range(int(until) + 1):
        pause_detector.record_answer(float(second))
    return pause_detector


def test_heartbeats_add_a_worker_at_the_first_and_lose_it_after_three_and_a_half_seconds() -> None:
    table = HeartbeatTable(answering(300))
    assert table.record(KEY, beat(), 10.0)
    assert set(table.workers(KEY, 10.0 + LOST_S)) == {"w"}
    assert table.workers(KEY, 10.1 + LOST_S) == {}
    assert table.workers(("team", "other"), 10.0) == {}


def test_heartbeats_report_changes_only() -> None:
    table = HeartbeatTable(answering(300))
    assert table.record(KEY, beat(), 1.0)
    assert not table.record(KEY, beat(), 2.0)
    assert table.record(KEY, beat(in_flight=1), 3.0)
    assert table.record(KEY, beat(in_flight=1, draining=True), 4.0)
    assert table.record(KEY, beat(in_flight=1, draining=True, slots=9), 5.0)
    assert not table.record(KEY, beat(in_flight=1, draining=True, slots=9), 6.0)


def test_heartbeats_report_a_rejected_key_once() -> None:
    table = HeartbeatTable(answering(300))
    table.record(KEY, beat(), 1.0)
    refusing = msgspec.structs.replace(beat(), refusing_keys=["openai"])
    assert table.record(KEY, refusing, 2.0)
    assert not table.record(KEY, refusing, 3.0)
    assert table.workers(KEY, 3.0)["w"].refusing_keys == ("openai",)
    assert table.record(KEY, beat(), 4.0)


def test_heartbeats_report_a_returned_worker_as_new() -> None:
    table = HeartbeatTable(answering(300))
    table.record(KEY, beat(), 1.0)
    table.record(KEY, beat(), 2.0)
    assert table.record(KEY, beat(), 3.0 + LOST_S)


def test_heartbeats_restart_the_time_of_workers_after_a_reconnect() -> None:
    pause_detector = answering(10)
    table = HeartbeatTable(pause_detector)
    table.record(KEY, beat("lost"), -10.0)
    table.record(KEY, beat("there"), 9.0)
    pause_detector.record_answer(100.0)
    table.reconnected(100.0)
    for second in range(101, 110):
        pause_detector.record_answer(float(second))
    assert set(table.workers(KEY, 100.0 + LOST_S)) == {"there"}
    assert table.workers(KEY, 100.1 + LOST_S) == {}


def test_heartbeats_keep_workers_after_a_pause_of_the_operator() -> None:
    pause_detector = answering(10)
    table = HeartbeatTable(pause_detector)
    table.record(KEY, beat(), 10.0)
    # The check comes before the buffered heartbeats, and before the broker's answer.
    assert set(table.workers(KEY, 20.0)) == {"w"}
    pause_detector.record_answer(20.0)
    assert set(table.workers(KEY, 20.0)) == {"w"}
    for second in range(21, 26):
        pause_detector.record_answer(float(second))
    assert table.workers(KEY, 20.0 + LOST_S) == {}


def test_heartbeats_keep_workers_of_a_broker_that_does_not_answer() -> None:
    table = HeartbeatTable(answering(10))
    table.record(KEY, beat(), 10.0)
    assert HEARTBEAT_S + LATE_S < LOST_S
    assert set(table.workers(KEY, 600.0)) == {"w"}


def test_heartbeats_drop_old_workers() -> None:
    table = HeartbeatTable(answering(300))
    for number in range(100):
        table.record(("team", f"route-{number}"), beat(f"w{number}"), 100.0)
    table.record(KEY, beat(), 101.0 + EXPIRE_S)
    assert set(table._routes) == {KEY}


class Reports:
    def __init__(self) -> None:
        self.connection = Connection("nats://127.0.0.1:4222", "test", inbox_prefix="_INBOX_test")
        self.clock = ManualClock()
        self.activated: list[tuple[str, str]] = []
        self.changed: list[tuple[str, str]] = []
        self.heartbeats = WorkerHeartbeats(self.connection, self.clock, answering(0))
        self.heartbeats.subscribe(activated=self.activated.append, changed=self.changed.append)

    def receive(self, subject: str, data: bytes) -> None:
        for pattern, callback in self.connection._listeners:
            if subject.startswith(pattern.removesuffix(">")):
                callback(subject, data)


def test_heartbeats_and_activations_have_their_route() -> None:
    reports = Reports()
    reports.receive(subjects.worker_heartbeat("team", "main", "w"), codec.encode(beat(in_flight=2)))
    reports.receive(subjects.activation("team", "main"), codec.encode(Activation("gw")))
    assert reports.changed == [KEY]
    assert reports.activated == [KEY]
    assert reports.heartbeats.workers(KEY)["w"].in_flight == 2


def test_heartbeats_keep_workers_while_the_broker_is_unavailable() -> None:
    reports = Reports()
    reports.receive(subjects.worker_heartbeat("team", "main", "w"), codec.encode(beat()))
    reports.clock.advance(600)
    assert not reports.heartbeats.connected
    assert set(reports.heartbeats.workers(KEY)) == {"w"}
