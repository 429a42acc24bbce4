"""Batches frames per gateway and publishes them.

The first frame after an idle period is published immediately, later ones in a batch, at most `LINGER_S` later, or
`LINGER_BUSY_S` at a high rate: one NATS message per token saturated a core, and at 12 800 tokens/s the longer wait
saves a tenth of the CPU of gateway and broker. One pump task publishes for all streams, so frames keep their order.

At a high rate the whole process, its event loop too, pauses between batches and then reads everything that arrived
meanwhile: interrupt moderation of network cards has the same reason. It saves up to a fifth of all CPU. Bytes that a
client waits for end the pause: a new request, and the first event of an answer. A process without idle time never
pauses (ADR 0011 and 0019).
"""

import asyncio
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
"""Iterations of the event loop in which a request gets from one socket to the next, and published bytes to theirs."""
BATCH_BYTES_MAX = 512 * 1024

BROKEN = ErrorDetail("provider_stream_broken", "the provider's answer broke off or could not be read")

log = structlog.get_logger("penstock.worker")

Publish = Callable[[str, bytes], Awaitable[None]]


class FrameBatcher:
    """Publishes only while `run` is running.

    `block` blocks the thread for a number of seconds. It ends early, and returns True, when bytes arrive that a client
    waits for.

    `on_broken` is called with the id and the attempt of a stream whose frame cannot be encoded; the gateway receives
    `BROKEN` instead of the frame.
    """

    def __init__(
        self,
        worker: str,
        publish: Publish,
        block: Callable[[float], bool],
        *,
        on_broken: Callable[[int, int], None] = lambda _stream, _attempt: None,
    ) -> None:
        self._on_broken = on_broken
        self._worker = worker
        self._publish = publish
        self._block = block
        self._queued: dict[str, list[Frame]] = {}
        self._sealed: list[dict[str, list[Frame]]] = []
        self._loop = asyncio.get_running_loop()
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._deferred: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._added = 0
        self._rate = 0.0
        self._linger_s = LINGER_S

    def add(self, subject: str, frame: Frame, *, now: bool = False, deferrable: bool = False) -> None:
        """Queue `frame` for the gateway of `subject`, or for several, separated by spaces.

        `now`: publish without lingering, because a client waits for it.

        `deferrable`: linger also after an idle period, without delaying a later frame.
        """
        frames = self._queued.get(subject)
        if frames is None:
            self._queued[subject] = [frame]
        else:
            frames.append(frame)
        self._added += 1
        if now:
            self._due.set()
        elif deferrable:
            if self._deferred is None:
                self._deferred = self._loop.call_later(self._linger_s, self._due.set)
        elif self._timer is None and not self._due.is_set():
            wait = self._flushed_at + self._linger_s - self._loop.time()
            if wait <= 0:
                self._due.set()
            else:
                self._timer = self._loop.call_later(wait, self._due.set)

    def seal(self) -> None:
        """Publish the frames queued so far before all later ones: a stream's subject is about to change."""
        if self._queued:
            self._sealed.append(self._queued)
            self._queued = {}

    async def run(self) -> None:
        while True:
            await self._due.wait()
            await self.flush()
            if self._linger_s == LINGER_BUSY_S:
                await self._rest()

    async def flush(self) -> None:
        """Publish all queued frames."""
        self._due.clear()
        for timer in (self._timer, self._deferred):
            if timer is not None:
                timer.cancel()
        self._timer = self._deferred = None
        self._measure(self._loop.time())
        parts, self._sealed, self._queued = [*self._sealed, self._queued], [], {}
        for queued in parts:
            for subject_list, frames in queued.items():
                for subject in subject_list.split():
                    try:
                        await self._send(subject, frames)
                    except Exception:
                        # The root of the pump task: a failure for one gateway must not stop the frames of the others.
                        log.exception("worker.frames_lost", subject=subject, frames=len(frames))

    async def _rest(self) -> None:
        """Block the event loop for the rest of the linger time, except for bytes that a client waits for."""
        until = self._flushed_at + self._linger_s
        while not self._due.is_set():
            for _ in range(TURNS_TO_LEAVE):
                await asyncio.sleep(0)
            left_s = until - self._loop.time()
            if left_s <= 0 or self._due.is_set() or not self._block(left_s):
                return

    async def _send(self, subject: str, frames: list[Frame]) -> None:
        try:
            data = codec.encode(Batch(self._worker, frames))
        except (TypeError, ValueError, OverflowError):
            frames = [frame if self._is_encodable(frame) else self._broken(frame) for frame in frames]
            data = codec.encode(Batch(self._worker, frames))
        if len(data) > BATCH_BYTES_MAX and len(frames) > 1:
            middle = len(frames) // 2
            await self._send(subject, frames[:middle])
            await self._send(subject, frames[middle:])
            return
        await self._publish(subject, data)

    def _is_encodable(self, frame: Frame) -> bool:
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
        """Update the moving average of frames per second over about `RATE_WINDOW_S`, and the linger time."""
        elapsed_s = max(now - self._flushed_at, 1e-4)
        self._rate += min(1.0, elapsed_s / RATE_WINDOW_S) * (self._added / elapsed_s - self._rate)
        self._linger_s = LINGER_BUSY_S if self._rate >= BUSY_FRAMES_PER_S else LINGER_S
        self._flushed_at = now
        self._added = 0
