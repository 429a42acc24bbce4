"""A stream is unread for too long when no gateway had a reader for its grace time."""

from penstock_contract.stream.descriptor import DisconnectPolicy
from penstock_gateway.streaming.reader_count import ELSEWHERE_S, ReaderCount


def test_reader_count_expires_after_the_grace_time_without_a_reader() -> None:
    count = ReaderCount(DisconnectPolicy(10), 100.0)
    count.opened()
    assert not count.expired(1000.0)
    count.closed(1000.0)
    assert not count.expired(1010.0)
    assert count.expired(1010.1)


def test_reader_count_does_not_expire_while_any_reader_is_left() -> None:
    count = ReaderCount(DisconnectPolicy(0), 100.0)
    count.opened()
    count.opened()
    count.closed(200.0)
    assert not count.expired(300.0)
    count.closed(300.0)
    assert count.expired(300.1)


def test_reader_count_counts_a_reader_elsewhere_until_its_next_request_is_late() -> None:
    count = ReaderCount(DisconnectPolicy(1), 100.0)
    count.read_elsewhere(200.0)
    assert not count.expired(200.0 + ELSEWHERE_S + 1)
    assert count.expired(200.1 + ELSEWHERE_S + 1)
    count.opened()
    count.closed(150.0)  # earlier than the other gateway's request
    assert not count.expired(200.0 + ELSEWHERE_S + 1)


def test_reader_count_of_a_detached_stream_never_expires() -> None:
    assert not ReaderCount(DisconnectPolicy(None, 60), 0.0).expired(1e9)
