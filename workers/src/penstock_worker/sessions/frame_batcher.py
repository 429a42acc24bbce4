"""Frames on their way out, put together per gateway.

The first frame after a quiet while goes at once, later ones together, at most `LINGER_S` later, or `LINGER_BUSY_S`
while there are many: one NATS message per token saturated a core, and at 12 800 tokens/s the longer wait saves a tenth
of gateway and broker. One pump task publishes for all streams, so frames keep their order.

While there are many, the whole process waits, its loop too, and finds all that came meanwhile at once: a network card
moderates its interrupts for the same reason. It costs two or three waits until a new stream's first token (7 ms became
46 ms at 12 800 tokens/s) and saves up to a fifth of all CPU; who has no time to spare never waits (ADR 0011).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from penstock_contract import codec
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import Failed
from penstock_contract.stream.frames import Batch, Frame

LINGER_S = 0.003
LINGER_BUSY_S = 0.016
BUSY_FRAMES_PER_S = 6_000
RATE_WINDOW_S = 0.1
TURNS_TO_LEAVE = 4
"""Of the event loop, until the kernel has what was published: nats-py's flusher is a task, uvloop writes after it."""
BATCH_BYTES_MAX = 512 * 1024

BROKEN = ErrorDetail("provider_stream_broken", "the provider's answer broke off or could not be read")

log = structlog.get_logger("penstock.worker")

Publish = Callable[[str, bytes], Awaitable[None]]


class Outbox:
    """`run` must be running for anything to leave. `stand_still` blocks the thread for so many seconds.

    `on_broken` is called with the id and the attempt of a stream whose frame cannot be encoded; the gateway gets
    `BROKEN` in place of the frame.
    """

    def __init__(
        self,
        worker: str,
        publish: Publish,
        stand_still: Callable[[float], None] = time.sleep,
        *,
        on_broken: Callable[[int, int], None] = lambda _stream, _attempt: None,
    ) -> None:
        self._on_broken = on_broken
        self._worker = worker
        self._publish = publish
        self._stand_still = stand_still
        self._waiting: dict[str, list[Frame]] = {}
        self._loop = asyncio.get_running_loop()
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._added = 0
        self._rate = 0.0
        self._linger_s = LINGER_S

    def add(self, subject: str, frame: Frame, *, now: bool = False, patient: bool = False) -> None:
        """Queue `frame`; with `now`, do not linger (what a client waits for).

        `patient`: linger also after a quiet while, and hold up nobody who comes later.
        """
        frames = self._waiting.get(subject)
        if frames is None:
            self._waiting[subject] = [frame]
        else:
            frames.append(frame)
        self._added += 1
        if now:
            self._due.set()
        elif patient:
            if self._patience is None:
                self._patience = self._loop.call_later(self._linger_s, self._due.set)
        elif self._timer is None and not self._due.is_set():
            wait = self._flushed_at + self._linger_s - self._loop.time()
            if wait <= 0:
                self._due.set()
            else:
                self._timer = self._loop.call_later(wait, self._due.set)

    async def run(self) -> None:
        while True:
            await self._due.wait()
            await self.flush()
            if self._linger_s == LINGER_BUSY_S:
                await self._rest()

    async def flush(self) -> None:
        """Publish everything that waits."""
        self._due.clear()
        for timer in (self._timer, self._patience):
            if timer is not None:
                timer.cancel()
        self._timer = self._patience = None
        self._measure(self._loop.time())
        waiting, self._waiting = self._waiting, {}
        for subject, frames in waiting.items():
            try:
                await self._send(subject, frames)
            except Exception:
                # The root of all streams' way out: what cannot be sent to one gateway must not stop the others.
                log.exception("worker.frames_lost", subject=subject, frames=len(frames))

    async def _rest(self) -> None:
        """Let the loop stand still for what is left of the linger."""
        for _ in range(TURNS_TO_LEAVE):
            await asyncio.sleep(0)
        left_s = self._flushed_at + self._linger_s - self._loop.time()
        if left_s > 0:
            self._stand_still(left_s)

    async def _send(self, subject: str, frames: list[Frame]) -> None:
        try:
            data = codec.encode(Batch(self._worker, frames))
        except (TypeError, ValueError, OverflowError):
            frames = [frame if self._can_be_encoded(frame) else self._broken(frame) for frame in frames]
            data = codec.encode(Batch(self._worker, frames))
        if len(data) > BATCH_BYTES_MAX and len(frames) > 1:
            middle = len(frames) // 2
            await self._send(subject, frames[:middle])
            await self._send(subject, frames[middle:])
            return
        await self._publish(subject, data)

    def _can_be_encoded(self, frame: Frame) -> bool:
        try:
            codec.encode(Batch(self._worker, [frame]))
        except (TypeError, ValueError, OverflowError):
            return False
        return True

    def _broken(self, frame: Frame) -> Frame:
        log.warning("worker.frame_not_encodable", event_type=type(frame.event).__name__)
        self._on_broken(frame.stream, frame.attempt)
        return Frame(frame.stream, frame.attempt, frame.seq, Failed(BROKEN))

    def _measure(self, now: float) -> None:
        """A moving mean of frames per second, over about `RATE_WINDOW_S`."""
        elapsed_s = max(now - self._flushed_at, 1e-4)
        self._rate += min(1.0, elapsed_s / RATE_WINDOW_S) * (self._added / elapsed_s - self._rate)
        self._linger_s = LINGER_BUSY_S if self._rate >= BUSY_FRAMES_PER_S else LINGER_S
        self._flushed_at = now
        self._added = 0
