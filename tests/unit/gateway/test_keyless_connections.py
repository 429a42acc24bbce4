"""Which connection makes room for a new one, and how often that is logged."""

import structlog

from penstock_gateway.server.keyless_connections import LOG_EVERY_S, KeylessConnections


class Connection:
    evicted = False

    def evict(self) -> None:
        self.evicted = True


def test_the_connection_that_is_idle_for_longest_is_closed_and_never_the_newest() -> None:
    keyless = KeylessConnections()
    first, second, newest = Connection(), Connection(), Connection()
    for one in (first, second, newest):
        keyless.add(one)
    keyless.discard(first)
    keyless.add(first)  # it had a request meanwhile

    assert keyless.make_room(newest)
    assert (first.evicted, second.evicted) == (False, True)
    assert keyless.make_room(newest)
    assert not keyless.make_room(newest)
    assert not newest.evicted


def test_a_full_listener_is_logged_once_a_minute_with_what_happened_meanwhile() -> None:
    keyless = KeylessConnections()
    with structlog.testing.capture_logs() as lines:
        for tick in range(0, int(LOG_EVERY_S) + 10, 10):
            keyless.count_rejected()
            keyless.log_full(float(tick), open_=11, most=10)
    assert [line["refused"] for line in lines] == [1, 6]
