"""The broker's stores take a share of what is free, and a disk with less than the least is named."""

from pathlib import Path

import pytest

from penstock_local.disk_space import FREE_BYTES_MIN, MIB, STORE_BYTES_MIN, NoSpace, StoreSizes, store_sizes

DIRECTORY = Path("/somewhere/penstock-dev-1")


def test_disk_space_gives_stores_their_full_size_where_it_is_free() -> None:
    assert store_sizes(DIRECTORY, 10_000 * MIB) == StoreSizes()


@pytest.mark.parametrize("free", [FREE_BYTES_MIN, 32 * MIB, 100 * MIB, 150 * MIB, 200 * MIB])
def test_disk_space_shrinks_stores_to_what_is_free(free: int) -> None:
    sizes = store_sizes(DIRECTORY, free)
    assert sizes.total < free * 0.7
    assert min(sizes.usage, sizes.keys, sizes.limits, sizes.gateways) >= STORE_BYTES_MIN


def test_disk_space_error_names_the_directory_and_both_sizes() -> None:
    with pytest.raises(NoSpace, match=r"^/somewhere has 2\.0 MiB of free space, and at least 16 MiB are needed; "):
        store_sizes(DIRECTORY, 2 * MIB)
