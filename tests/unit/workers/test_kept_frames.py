"""Frames are stored in whole chunks and at the end, each once, within a bound, also while the broker is away."""

from collections.abc import Callable

import pytest
from unit.support.sessions import RecordedFrames, request

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.descriptor import DisconnectPolicy
from penstock_contract.stream.events import Accepted, Event, Failed, Finished, Started, TextDelta
from penstock_contract.stream.frames import Frame
from penstock_worker.sessions.kept_frames import CHUNK_BYTES, OVER_BOUND, KeptFrames
from penstock_worker.sessions.reply_stream import ReplyStream

pytestmark = pytest.mark.asyncio
DETACHED = DisconnectPolicy(None, 60)
BEGIN: list[Event] = [Accepted("worker-1", 0.0), Started("a")]
LARGE = TextDelta("x" * (CHUNK_BYTES // 4))


class Store:
    def __init__(self) -> None:
        self.chunks: list[list[Frame]] = []
        self.ttl_s = 0.0
        self.away = False
        self.on_write: Callable[[], None] = lambda: None

    async def write(self, tenant: str, stream_id: str, frames: list[Frame], ttl_s: float) -> None:
        assert (tenant, stream_id) == ("anonymous", "req_1")
        if self.away:
            raise PenstockError("broker_unavailable", "away")
        self.chunks.append(frames)
        self.ttl_s = ttl_s
        self.on_write()

    @property
    def seqs(self) -> list[int]:
        return [frame.seq for chunk in self.chunks for frame in chunk]


def keeping(
    *, policy: DisconnectPolicy | None = DETACHED, bytes_max: int = 10**9
) -> tuple[KeptFrames, ReplyStream, Store]:
    store = Store()
    kept = KeptFrames(store, bytes_max=bytes_max)
    stream = ReplyStream(
        RecordedFrames(),  # type: ignore[arg-type]
        ("default", "main"),
        1,
        1,
        "gw-1",
        replay_bytes_max=10**9,
    )
    kept.add(request(disconnect=policy), stream)
    return kept, stream, store


def emit(stream: ReplyStream, *events: Event) -> None:
    for event in events:
        stream.emit(event)


async def test_kept_frames_are_stored_when_a_chunk_is_full_and_at_the_end() -> None:
    kept, stream, store = keeping()
    emit(stream, *BEGIN, LARGE)
    await kept.flush()
    assert store.chunks == []
    emit(stream, *[LARGE] * 4)
    await kept.flush()
    assert len(store.chunks) == 1
    emit(stream, Finished("stop"))
    await kept.flush()
    await kept.flush()
    assert store.seqs == list(range(8))
    assert store.ttl_s == 60 + 600
    assert len(kept) == 0


async def test_kept_frames_wait_for_the_broker() -> None:
    kept, stream, store = keeping()
    emit(stream, *BEGIN, Finished("stop"))
    store.away = True
    await kept.flush()
    assert len(kept) == 1
    store.away = False
    await kept.drained(1)
    assert store.seqs == [0, 1, 2]


async def test_kept_frames_of_an_answer_over_the_bound_end_with_an_error() -> None:
    kept, stream, store = keeping(bytes_max=2 * CHUNK_BYTES)
    emit(stream, *BEGIN, *[LARGE] * 20, Finished("stop"))
    await kept.flush()
    assert store.seqs == list(range(len(store.seqs)))
    assert [frame.event for frame in store.chunks[-1]] == [OVER_BOUND]
    assert len(kept) == 0


@pytest.mark.parametrize("policy", [None, DisconnectPolicy(30, 0)])
async def test_kept_frames_store_nothing_of_a_stream_that_is_not_kept(policy: DisconnectPolicy | None) -> None:
    kept, _, _ = keeping(policy=policy)
    assert len(kept) == 0


async def test_kept_frames_store_nothing_of_a_stopped_stream() -> None:
    kept, stream, store = keeping()
    emit(stream, *BEGIN)
    stream.fail(ErrorDetail("stopped", "stopped"))
    await kept.flush()
    assert store.chunks == []
    assert len(kept) == 0


async def test_kept_frames_store_the_error_of_a_failed_stream() -> None:
    kept, stream, store = keeping()
    emit(stream, *BEGIN)
    stream.fail(ErrorDetail("idle_timeout", "late"))
    await kept.flush()
    assert store.chunks[-1][-1].event == Failed(ErrorDetail("idle_timeout", "late"))


async def test_kept_frames_are_dropped_when_another_worker_serves_the_request() -> None:
    kept, stream, store = keeping()
    emit(stream, *BEGIN, Finished("stop"))
    kept.drop(1)
    await kept.flush()
    assert store.chunks == []


async def test_kept_frames_of_a_stream_that_is_dropped_during_a_write_are_not_stored_any_further() -> None:
    kept, stream, store = keeping()
    emit(stream, *BEGIN, *[LARGE] * 9, Finished("stop"))
    store.on_write = lambda: kept.drop(stream.id)
    await kept.flush()
    assert len(store.chunks) == 1
    assert len(kept) == 0
