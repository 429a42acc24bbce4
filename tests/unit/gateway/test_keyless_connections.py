"""The connection that makes room for a new one, and the log of a full listener."""

import structlog

from penstock_gateway.server.keyless_connections import LOG_EVERY_S, KeylessConnections


class Connection:
    evicted = False

    def evict(self) -> None:
        self.evicted = True


def test_keyless_connections_close_the_longest_idle_and_never_the_newest() -> None:
    keyless = KeylessConnections()
    first, second, newest = Connection(), Connection(), Connection()
    for one in (first, second, newest):
        keyless.add(one)
    keyless.discard(first)
    keyless.add(first)  # It had a request in between.

    assert keyless.make_room(newest)
    assert (first.evicted, second.evicted) == (False, True)
    assert keyless.make_room(newest)
    assert not keyless.make_room(newest)
    assert not newest.evicted


def test_keyless_connections_log_a_full_listener_once_a_minute() -> None:
    keyless = KeylessConnections()
    with structlog.testing.capture_logs() as lines:
        for tick in range(0, int(LOG_EVERY_S) + 10, 10):
            keyless.count_rejected()
            keyless.log_full(float(tick), open_=11, most=10)
    assert [line["refused"] for line in lines] == [1, 6]
