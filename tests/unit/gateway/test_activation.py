"""Activations: sent when no free slot is known, repeated while a request waits, and not too often."""

from penstock_contract.stream.frames import WorkerHeartbeat
from penstock_gateway.streaming.activation import REPEAT_S, WAITS_LONG_S, Activations
from penstock_runtime.pause_detector import PauseDetector
from penstock_runtime.peer_liveness import EXPIRE_S, HEARTBEAT_S, LOST_S

ROUTE = "default.main"
NOW = 0.0


def beat(*, worker: str = "w", slots: int = 8, in_flight: int = 0, draining: bool = False) -> WorkerHeartbeat:
    return WorkerHeartbeat(worker, slots, in_flight, draining, "1")


class Published(list[str]):
    def __init__(self) -> None:
        pause_detector = PauseDetector(HEARTBEAT_S)
        for second in range(-5, 100):
            pause_detector.record_answer(NOW + second)
        self.activations = Activations(self.append, pause_detector)


def test_activation_of_a_route_without_workers_is_immediate() -> None:
    published = Published()
    published.activations.queued(ROUTE, NOW)
    assert published == [ROUTE]


def test_activation_is_sent_once_in_100_ms_for_a_burst() -> None:
    published = Published()
    for number in range(100):
        published.activations.queued(ROUTE, NOW + number / 1000)
    assert published == [ROUTE]
    published.activations.queued(ROUTE, NOW + REPEAT_S)
    assert published == [ROUTE, ROUTE]


def test_activation_that_was_held_back_is_sent_by_the_ticker() -> None:
    published = Published()
    published.activations.queued(ROUTE, NOW)
    published.activations.queued(ROUTE, NOW + 0.05)
    published.activations.waits(ROUTE, NOW, NOW + 0.06)
    assert published == [ROUTE]
    published.activations.waits(ROUTE, NOW, NOW + REPEAT_S)
    assert published == [ROUTE, ROUTE]
    published.activations.waits(ROUTE, NOW, NOW + 2 * REPEAT_S)
    assert published == [ROUTE, ROUTE], "nothing is owed any more"


def test_activation_of_one_route_does_not_delay_another() -> None:
    published = Published()
    published.activations.queued(ROUTE, NOW)
    published.activations.queued("default.other", NOW)
    assert published == [ROUTE, "default.other"]


def test_activation_is_not_sent_while_slots_are_free_and_each_request_takes_one() -> None:
    published = Published()
    published.activations.on_heartbeat(ROUTE, beat(worker="a", slots=8, in_flight=6), NOW)
    published.activations.on_heartbeat(ROUTE, beat(worker="b", slots=1), NOW)
    for _ in range(3):
        published.activations.queued(ROUTE, NOW)
    assert published == []
    published.activations.queued(ROUTE, NOW)
    assert published == [ROUTE]


def test_activation_takes_the_free_slots_of_the_last_heartbeat() -> None:
    published = Published()
    published.activations.on_heartbeat(ROUTE, beat(slots=1), NOW)
    published.activations.queued(ROUTE, NOW)
    published.activations.on_heartbeat(ROUTE, beat(slots=1), NOW + 1)
    published.activations.queued(ROUTE, NOW + 1)
    assert published == []


def test_activation_ignores_slots_of_workers_that_are_draining_full_or_lost() -> None:
    published = Published()
    published.activations.on_heartbeat(ROUTE, beat(worker="a", draining=True), NOW)
    published.activations.on_heartbeat(ROUTE, beat(worker="b", slots=8, in_flight=8), NOW)
    published.activations.on_heartbeat(ROUTE, beat(worker="c", slots=2, in_flight=5), NOW)
    published.activations.on_heartbeat(ROUTE, beat(worker="d"), NOW - LOST_S - 0.1)
    published.activations.queued(ROUTE, NOW)
    assert published == [ROUTE]


def test_activation_keeps_the_workers_after_a_broker_absence() -> None:
    published = Published()
    published.activations.on_heartbeat(ROUTE, beat(), NOW)
    published.activations.reconnected(NOW + 3)
    published.activations.queued(ROUTE, NOW + 6)
    assert published == []


def test_activation_is_repeated_every_second_for_a_request_that_waits() -> None:
    published = Published()
    published.activations.on_heartbeat(ROUTE, beat(), NOW)
    published.activations.queued(ROUTE, NOW)
    ticks = [NOW + 0.25 * tick for tick in range(1, 13)]
    for now in ticks:
        published.activations.waits(ROUTE, NOW, now)
    assert len(published) == 3, "after 1, 2 and 3 seconds"
    assert ticks[3] - NOW == WAITS_LONG_S


def test_activation_drops_unused_routes() -> None:
    published = Published()
    published.activations.on_heartbeat(ROUTE, beat(), NOW)
    published.activations.queued("default.other", NOW)
    published.activations.expire(NOW + EXPIRE_S / 2)
    assert set(published.activations._routes) == {ROUTE, "default.other"}
    published.activations.expire(NOW + EXPIRE_S + 1)
    assert published.activations._routes == {}
