"""The share of one queue: all shares fit into the total, and a share holds at least one request."""

import pytest

from penstock_broker.queues.queue_shares import SHARE_MIN, UNBOUNDED, of_memory, share

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("routes", "parts"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 16), (16, 16)]
)
def test_queue_share_is_a_power_of_two_of_the_total(routes: int, parts: int) -> None:
    assert share(224 * MIB, routes) == 224 * MIB // parts


@pytest.mark.parametrize("total", [9 * MIB, 100 * MIB, 512 * MIB, 4096 * MIB + 1])
def test_queue_shares_of_all_routes_fit_into_the_total(total: int) -> None:
    for routes in range(1, 2000):
        size = share(total, routes)
        assert size == UNBOUNDED or (size >= SHARE_MIN and size * routes <= total)


def test_queue_share_is_unbounded_without_a_total_or_without_room_for_a_request() -> None:
    assert share(None, 1) == UNBOUNDED
    assert share(224 * MIB, 17) == share(SHARE_MIN - 1, 1) == UNBOUNDED


def test_queue_total_of_a_memory_leaves_room_for_the_other_stores() -> None:
    assert of_memory(512 * MIB) == 224 * MIB
    assert of_memory(256 * MIB) == 64 * MIB
