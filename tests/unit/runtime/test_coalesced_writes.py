"""Writes of one iteration of the event loop are one call; their order and their bytes stay."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from penstock_runtime.coalesced_writes import HELD_BYTES_MAX, CoalescedWrites


async def test_coalesced_writes_passes_on_the_bytes_of_one_iteration_in_one_call() -> None:
    passed: list[bytes] = []
    writes = CoalescedWrites(passed.append)
    writes.write(b"a")
    writes.write(b"b")
    assert (passed, writes.size) == ([], 2)
    await asyncio.sleep(0)
    assert (passed, writes.size) == ([b"ab"], 0)
    writes.write(b"c")
    await asyncio.sleep(0)

    assert passed == [b"ab", b"c"]


@given(st.lists(st.lists(st.binary(max_size=9), max_size=5), max_size=8), st.sets(st.integers(0, 40)))
async def test_coalesced_writes_keeps_order_and_bytes(iterations: list[list[bytes]], flushed: set[int]) -> None:
    passed: list[bytes] = []
    writes = CoalescedWrites(passed.append)
    number = 0
    for written in iterations:
        for data in written:
            writes.write(data)
            if number in flushed:
                writes.flush()
            number += 1
        await asyncio.sleep(0)

    assert b"".join(passed) == b"".join(data for written in iterations for data in written)
    assert writes.size == 0


async def test_coalesced_writes_passes_on_at_once_when_much_is_held() -> None:
    passed: list[bytes] = []
    writes = CoalescedWrites(passed.append)
    writes.write(b"x" * HELD_BYTES_MAX)
    assert passed == []
    writes.write(b"y")
    assert passed == [b"x" * HELD_BYTES_MAX + b"y"]
    writes.write(b"z")
    await asyncio.sleep(0)

    assert passed[1:] == [b"z"]


async def test_coalesced_writes_drops_what_is_discarded() -> None:
    passed: list[bytes] = []
    writes = CoalescedWrites(passed.append)
    writes.write(b"a")
    writes.discard()
    assert writes.size == 0
    writes.write(b"b")
    await asyncio.sleep(0)

    assert passed == [b"b"]
