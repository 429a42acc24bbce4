"""Which messages stay under a bound in bytes."""

import pytest

from penstock_broker.stores.stored_sizes import Sizes, first_within


@pytest.mark.parametrize(
    ("sizes", "stays"),
    [
        ([], None),
        ([(1, 10)], None),
        ([(1, 4), (5, 6)], None),
        ([(1, 5), (5, 6)], 5),
        ([(1, 1), (5, 11)], 6),
        ([(1, 11), (5, 6), (9, 4)], 5),
    ],
    ids=["none", "exact", "two", "over by one", "newest over alone", "oldest over"],
)
def test_bound_keeps_the_newest_messages_that_fit(sizes: Sizes, stays: int | None) -> None:
    assert first_within(sizes, 10) == stays
