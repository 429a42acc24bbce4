"""Random digits for ids."""

import multiprocessing
import string

from hypothesis import given
from hypothesis import strategies as st

from penstock_runtime.random_hex import READ, RandomHex, random_hex


@given(st.lists(st.integers(1, 3 * READ), max_size=30))
def test_random_hex_has_the_requested_length(lengths: list[int]) -> None:
    made = RandomHex()
    for length in lengths:
        assert len(digits := made(length)) == length
        assert set(digits) <= set(string.hexdigits.lower())


def test_random_hex_gives_no_digits_twice() -> None:
    drawn = [random_hex(16) for _ in range(10 * READ)]
    assert len(set(drawn)) == len(drawn)


def draw(_number: int) -> str:
    return random_hex(16)


def test_random_hex_gives_a_forked_process_other_digits() -> None:
    random_hex(16)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        theirs = pool.map(draw, range(50))
    assert not {random_hex(16) for _ in range(50)} & set(theirs)
