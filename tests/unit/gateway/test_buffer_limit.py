"""The bytes that may wait for a client: up to the limit, and a few single events above it."""

from penstock_gateway.server.write_timeout import LARGE_MAX, BufferLimit

LARGE = 9_000_000


def test_buffer_limit_admits_up_to_the_limit_and_one_write_beyond() -> None:
    limit = BufferLimit(100)
    assert limit.admits(100, 50)
    assert not limit.admits(150, 1)


def test_buffer_limit_admits_a_large_event_and_the_next_before_the_client_has_read() -> None:
    limit = BufferLimit(100)
    assert limit.admits(0, LARGE)
    assert limit.admits(LARGE, 50)
    assert limit.admits(LARGE + 50, 50)
    assert not limit.admits(LARGE + 101, 1)


def test_buffer_limit_admits_few_large_events_at_once() -> None:
    limit, waiting = BufferLimit(100), 0
    for _ in range(LARGE_MAX):
        assert limit.admits(waiting, LARGE)
        waiting += LARGE
    assert not limit.admits(waiting, LARGE)


def test_buffer_limit_is_reset_when_the_client_has_read_down_to_it() -> None:
    limit = BufferLimit(100)
    assert limit.admits(0, LARGE)
    assert limit.admits(LARGE, LARGE)
    assert limit.admits(100, LARGE)
    assert limit.admits(100 + LARGE, LARGE)
