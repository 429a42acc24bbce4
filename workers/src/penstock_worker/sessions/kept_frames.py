"""Stores the frames of streams that are to be read after their end, in chunks.

Reads the reply streams several times a second instead of being called for each event: a stream that is not kept costs
nothing. A chunk is stored when it is full, so that an answer longer than the replay can be read from its start, and at
the stream's end. A stopped stream, and one that another worker serves, is not stored any further.
"""

import asyncio
from typing import Protocol

import structlog

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import InferenceRequest
from penstock_contract.stream.events import Failed
from penstock_contract.stream.frames import Frame
from penstock_worker.sessions.reply_stream import EVENT_BYTES, ReplyStream, content_bytes

CHUNK_BYTES = 48 * 1024
"""Of content and its overhead; below the store's chunk, as names and tags are not counted."""
TICK_S = 0.25
OVER_BOUND = Failed(ErrorDetail("stream_lost", "the answer is longer than what is kept of one answer"))

log = structlog.get_logger("penstock.worker")


class FrameWriter(Protocol):
    async def write(self, tenant: str, stream_id: str, frames: list[Frame], ttl_s: float) -> None:
        """Store one chunk, once. Raises `broker_unavailable`."""
        ...


class KeptStream:
    """One stream, and how far it is stored."""

    __slots__ = ("bytes", "keep_s", "request", "seq", "stream")

    def __init__(self, request: InferenceRequest, stream: ReplyStream, keep_s: float) -> None:
        self.request = request
        self.stream = stream
        self.keep_s = keep_s
        self.seq = 0
        self.bytes = 0

    def next_chunk(self, bytes_max: int) -> list[Frame]:
        """The next frames to store; none while a chunk is not full and the stream has not ended."""
        chunk: list[Frame] = []
        size = 0
        for frame in self.stream.frames(self.seq):
            chunk.append(frame)
            size += EVENT_BYTES + content_bytes(frame.event)
            if size >= CHUNK_BYTES:
                break
        if size < CHUNK_BYTES and not self.stream.ended:
            return []
        if chunk and self.bytes + size > bytes_max:
            # The end alone, in place of the rest.
            return [Frame(chunk[0].stream, chunk[0].attempt, self.seq, OVER_BOUND)] if self.stream.ended else []
        return chunk

    def stored(self, chunk: list[Frame]) -> None:
        self.seq = chunk[-1].seq + 1 if chunk[-1].event is not OVER_BOUND else self.stream.next_seq
        self.bytes += sum(EVENT_BYTES + content_bytes(frame.event) for frame in chunk)

    @property
    def done(self) -> bool:
        error = self.stream.error
        stopped = error is not None and error.code == "stopped"
        return stopped or (self.stream.ended and self.seq >= self.stream.next_seq)


class KeptFrames:
    """`run` must be running. `bytes_max` bounds what is stored of one stream."""

    def __init__(self, writer: FrameWriter, *, bytes_max: int) -> None:
        self._writer = writer
        self._bytes_max = bytes_max
        self._kept: dict[int, KeptStream] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, request: InferenceRequest, stream: ReplyStream) -> None:
        """Store the stream, if its policy keeps it."""
        policy = request.disconnect
        if policy is not None and policy.keep_s:
            self._kept[stream.id] = KeptStream(request, stream, policy.keep_s)

    def drop(self, stream: int) -> None:
        """Store nothing more of a stream: it was stopped, or another worker serves its request."""
        self._kept.pop(stream, None)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self.flush()

    async def drained(self, timeout_s: float) -> None:
        """Wait until everything is stored."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._kept:
                    await self.flush()
                    await asyncio.sleep(TICK_S if self._kept else 0)
        except TimeoutError:
            log.warning("worker.kept_frames_lost", streams=len(self._kept))

    async def flush(self) -> None:
        """Store all chunks that are due."""
        for id_, kept in list(self._kept.items()):
            try:
                while id_ in self._kept and not kept.done and (chunk := kept.next_chunk(self._bytes_max)):
                    await self._write(kept, chunk)
            except PenstockError:
                return  # the broker is away; the next round stores it
            if kept.done:
                self._kept.pop(id_, None)

    async def _write(self, kept: KeptStream, chunk: list[Frame]) -> None:
        request = kept.request
        await self._writer.write(request.tenant, request.id, chunk, kept.keep_s + request.timeout_s)
        kept.stored(chunk)
