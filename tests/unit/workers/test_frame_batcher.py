"""Frames are published in order: the first immediately, later ones in bounded batches."""

import asyncio
import itertools

from unit.support.frame_batches import GATEWAY, OTHER, Wire, running
from unit.support.virtual_time import virtual_time

from penstock_contract import codec
from penstock_contract.stream.events import Failed, TextDelta, ToolCallDelta
from penstock_contract.stream.frames import Frame
from penstock_worker.sessions.frame_batcher import (
    BATCH_BYTES_MAX,
    BROKEN,
    BUSY_FRAMES_PER_S,
    LINGER_BUSY_S,
    LINGER_S,
    FrameBatcher,
)


@virtual_time
async def test_batcher_publishes_the_first_frame_after_an_idle_period_immediately() -> None:
    async with running() as wire:
        wire.add()
        await wire.settle()

        assert wire.sent == [(0.0, GATEWAY, [0])]


@virtual_time
async def test_batcher_lingers_with_a_deferrable_frame_after_an_idle_period() -> None:
    async with running() as wire:
        wire.add(deferrable=True)
        await asyncio.sleep(LINGER_S / 2)
        assert wire.sent == []
        wire.add(now=True)
        await wire.settle()
        wire.add(deferrable=True)
        await asyncio.sleep(LINGER_S * 1.5)

        assert wire.sent == [(0.0015, GATEWAY, [0, 1]), (0.0045, GATEWAY, [2])]


@virtual_time
async def test_batcher_does_not_delay_frames_after_a_deferrable_one() -> None:
    async with running() as wire:
        wire.add(deferrable=True)
        await asyncio.sleep(LINGER_S / 2)
        wire.add()
        await wire.settle()

        assert wire.sent == [(0.0015, GATEWAY, [0, 1])]


@virtual_time
async def test_batcher_publishes_later_frames_together() -> None:
    async with running() as wire:
        wire.add()
        await wire.settle()
        for _ in range(3):
            wire.add()
            await asyncio.sleep(LINGER_S / 4)
        await asyncio.sleep(LINGER_S)

        assert wire.sent == [(0.0, GATEWAY, [0]), (LINGER_S, GATEWAY, [1, 2, 3])]


@virtual_time
async def test_batcher_delays_no_frame_beyond_the_linger_time() -> None:
    async with running() as wire:
        for _ in range(100):
            wire.add()
            await asyncio.sleep(LINGER_S / 10)
        await asyncio.sleep(LINGER_S)

        times = [at for at, _, _ in wire.sent]
        assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= LINGER_S * 1.2


@virtual_time
async def test_batcher_lingers_longer_at_a_high_rate_only() -> None:
    async with running() as wire:
        for _ in range(BUSY_FRAMES_PER_S // 2):
            for _ in range(2):
                wire.add()
            await asyncio.sleep(1 / BUSY_FRAMES_PER_S)
        busy = [at for at, _, _ in wire.sent]
        for _ in range(200):
            wire.add()
            await asyncio.sleep(LINGER_S / 4)
        quiet = [at for at, _, _ in wire.sent]

    longest = max(later - earlier for earlier, later in itertools.pairwise(busy))
    assert LINGER_S * 1.5 < longest <= LINGER_BUSY_S + 2 / BUSY_FRAMES_PER_S
    assert quiet[-1] - quiet[-2] <= LINGER_S * 1.3


def never_blocks(_seconds: float) -> bool:
    raise AssertionError("a few frames are no high rate")


async def make_busy(wire: Wire) -> None:
    for _ in range(BUSY_FRAMES_PER_S // 4):
        for _ in range(2):
            wire.add()
        await asyncio.sleep(1 / BUSY_FRAMES_PER_S)


@virtual_time
async def test_batcher_blocks_again_after_bytes_that_need_no_frame() -> None:
    async with running() as wire:
        await make_busy(wire)
        before = len(wire.blocks)
        wire.interruptions = 3
        wire.add(now=True)
        await wire.settle()
        await wire.settle()

        assert [sent for sent, _ in wire.blocks[before:]] == [len(wire.sent)] * 4


@virtual_time
async def test_batcher_publishes_a_first_event_that_interrupts_its_pause() -> None:
    async with running() as wire:
        await make_busy(wire)
        wire.on_interruption = lambda: wire.add(now=True)
        wire.interruptions = 1
        before = len(wire.sent)
        wire.add(now=True)
        await wire.settle()

        assert len(wire.sent) == before + 2
        assert wire.sent[-1][0] == wire.sent[-2][0]


@virtual_time
async def test_batcher_blocks_the_loop_only_at_a_high_rate_and_after_publishing() -> None:
    async with running() as wire:
        for _ in range(200):
            wire.add()
            await asyncio.sleep(LINGER_S / 4)
        assert wire.blocks == []
        for _ in range(BUSY_FRAMES_PER_S // 4):
            for _ in range(2):
                wire.add()
            await asyncio.sleep(1 / BUSY_FRAMES_PER_S)

    sent, seconds = zip(*wire.blocks, strict=True)
    assert list(sent) == sorted(set(sent)), "once after each message"
    assert max(seconds) <= LINGER_BUSY_S + 1e-6


@virtual_time
async def test_batcher_publishes_earlier_frames_with_an_urgent_one() -> None:
    async with running() as wire:
        wire.add()
        await wire.settle()
        wire.add()
        wire.add(now=True)
        await wire.settle()

        assert wire.sent == [(0.0, GATEWAY, [0]), (0.0, GATEWAY, [1, 2])]


@virtual_time
async def test_batcher_publishes_frames_of_one_moment_as_one_message() -> None:
    async with running() as wire:
        for _ in range(5):
            wire.add()
        await wire.settle()

        assert wire.batches == [[0, 1, 2, 3, 4]]


@virtual_time
async def test_batcher_publishes_a_message_per_gateway() -> None:
    async with running() as wire:
        wire.add(GATEWAY)
        wire.add(OTHER)
        wire.add(GATEWAY)
        await wire.settle()

        assert wire.sent == [(0.0, GATEWAY, [0, 2]), (0.0, OTHER, [1])]


@virtual_time
async def test_batcher_keeps_the_order_of_frames_added_while_publishing() -> None:
    async with running() as wire:
        wire.blocked = asyncio.Event()
        wire.add()
        await wire.settle()
        wire.add(now=True)
        wire.add(now=True)
        await wire.settle()
        wire.blocked.set()
        await wire.settle()

        assert wire.batches == [[0], [1, 2]]


@virtual_time
async def test_batcher_splits_a_large_batch_in_order() -> None:
    async with running() as wire:
        for _ in range(64):
            wire.add(text="x" * 65_536)
        await wire.settle()

        assert [seq for batch in wire.batches for seq in batch] == list(range(64))
        assert max(wire.sizes) <= BATCH_BYTES_MAX


@virtual_time
async def test_batcher_publishes_a_very_large_frame_alone() -> None:
    async with running() as wire:
        wire.add()
        wire.add(text="x" * (BATCH_BYTES_MAX + 1))
        wire.add()
        await wire.settle()

        assert [seq for batch in wire.batches for seq in batch] == [0, 1, 2]
        assert [1] in wire.batches


@virtual_time
async def test_batcher_flush_publishes_all_queued_frames() -> None:
    wire = Wire()
    wire.add()
    wire.add(OTHER)
    await wire.batcher.flush()

    assert wire.batches == [[0], [1]]


@virtual_time
async def test_batcher_flush_of_nothing_publishes_nothing() -> None:
    wire = Wire()
    await wire.batcher.flush()

    assert wire.sent == []


@virtual_time
async def test_batcher_continues_after_a_message_that_cannot_be_published() -> None:
    async def publish(subject: str, data: bytes) -> None:
        del data
        if subject == GATEWAY:
            raise ValueError("larger than the broker takes")
        sent.append(subject)

    sent: list[str] = []
    batcher = FrameBatcher("worker-1", publish, never_blocks)
    pump = asyncio.create_task(batcher.run())
    batcher.add(GATEWAY, Frame(1, 1, 0, TextDelta("x")), now=True)
    await asyncio.sleep(1)
    batcher.add(OTHER, Frame(2, 1, 0, TextDelta("x")), now=True)
    await asyncio.sleep(1)
    still_running = not pump.done()
    pump.cancel()
    await asyncio.wait([pump])
    pump.cancelled() or pump.exception()

    assert (still_running, sent) == (True, [OTHER])


@virtual_time
async def test_batcher_ends_only_the_stream_whose_frame_cannot_be_encoded() -> None:
    sent: list[Frame] = []
    broken: list[tuple[int, int]] = []

    async def publish(_subject: str, data: bytes) -> None:
        sent.extend(codec.decode_batch(data).frames)

    batcher = FrameBatcher(
        "worker-1", publish, never_blocks, on_broken=lambda stream, attempt: broken.append((stream, attempt))
    )
    batcher.add(GATEWAY, Frame(1, 1, 5, TextDelta("one")))
    batcher.add(GATEWAY, Frame(2, 3, 7, ToolCallDelta(2**70, "id", "f", "{}")))
    batcher.add(GATEWAY, Frame(3, 1, 9, TextDelta("\ud83d")))
    batcher.add(GATEWAY, Frame(4, 1, 2, TextDelta("four")))
    await batcher.flush()

    assert sent == [
        Frame(1, 1, 5, TextDelta("one")),
        Frame(2, 3, 7, Failed(BROKEN)),
        Frame(3, 1, 9, Failed(BROKEN)),
        Frame(4, 1, 2, TextDelta("four")),
    ]
    assert broken == [(2, 3), (3, 1)]


@virtual_time
async def test_batcher_publishes_a_batch_to_each_gateway_that_reads_the_stream() -> None:
    async with running() as wire:
        wire.add(f"{GATEWAY} {OTHER}")
        await wire.settle()

        assert [(subject, seqs) for _, subject, seqs in wire.sent] == [(GATEWAY, [0]), (OTHER, [0])]


@virtual_time
async def test_batcher_publishes_the_frames_before_a_change_of_subject_first() -> None:
    async with running() as wire:
        both = f"{GATEWAY} {OTHER}"
        wire.add(both, deferrable=True)
        wire.batcher.seal()
        wire.add(GATEWAY, deferrable=True)
        wire.batcher.seal()
        wire.add(both, now=True)
        await wire.settle()

        assert [seqs for _, subject, seqs in wire.sent if subject == GATEWAY] == [[0], [1], [2]]
        assert [seqs for _, subject, seqs in wire.sent if subject == OTHER] == [[0], [2]]
