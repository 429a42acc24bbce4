"""Open sessions, and for a while the ended streams: a gateway may have missed their last frames."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator

import structlog

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.frames import Attach
from penstock_contract.usage.record import GATEWAY_LOST
from penstock_worker.sessions.frame_batcher import BROKEN
from penstock_worker.sessions.reply_stream import ReplyStream
from penstock_worker.sessions.session import Session

ENDED_STREAMS_MAX = 4096
REPEATED_S = 10.0
"""A gateway attaches to a stream that has been silent for this long, so older ends need no repetition."""

LOST = ErrorDetail("worker_lost", "the worker received no heartbeat of the gateway for too long")
UNREAD = ErrorDetail("cancelled", "the stream was not read again within its grace time")

log = structlog.get_logger("penstock.worker")


class SessionRegistry:
    """Keyed by stream id; times are event-loop times. A session belongs to its task from `add` to `ended`."""

    def __init__(self, *, replay_kept_s: float) -> None:
        self._open: dict[int, tuple[Session, asyncio.Task[None]]] = {}
        self._any_open = asyncio.Event()
        self._ended: OrderedDict[int, tuple[float, ReplyStream]] = OrderedDict()
        self._replay_kept_s = replay_kept_s

    def __len__(self) -> int:
        """Number of open sessions."""
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        """The sessions open at the time of the call."""
        return iter([session for session, _ in self._open.values()])

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [task for _, task in self._open.values()]

    def add(self, session: Session, task: asyncio.Task[None]) -> None:
        self._open[session.request.stream] = session, task
        self._any_open.set()

    def ended(self, session: Session, now: float) -> None:
        del self._open[session.request.stream]
        if not self._open:
            self._any_open.clear()
        self._ended[session.request.stream] = now, session.stream
        if len(self._ended) > ENDED_STREAMS_MAX:
            self._ended.popitem(last=False)

    async def wait_for_any(self) -> None:
        """Return as soon as a session is open."""
        await self._any_open.wait()

    def get(self, stream: int) -> Session | None:
        """The open session."""
        return self._open[stream][0] if stream in self._open else None

    def served(self, stream: int) -> bool:
        """True if the stream ended here recently."""
        return stream in self._ended

    def stop(self, session: Session, code: str, served_by: int = 0, end: ErrorDetail | None = None) -> None:
        """Stop the session and close its row with `code`, unless another delivery, `served_by`, has the row.

        `end` is sent to the gateways that read the stream.

        If that is this session's own delivery, the message was meant for an earlier worker of the same name.
        """
        if served_by == session.stream.attempt:
            return
        if end is not None:
            session.end(end)
        session.record_stop(code, served_by)
        self.cancel(session)

    def cancel(self, session: Session) -> None:
        """Cancel in the next iteration of the loop: a task cancelled before its first step never runs its `finally`."""
        asyncio.get_running_loop().call_soon(self._open[session.request.stream][1].cancel)

    def end_broken(self, stream: int, attempt: int) -> None:
        """End a call whose frame cannot be encoded; the gateway has received the end of its stream."""
        session = self.get(stream)
        if session is not None and session.stream.attempt == attempt:
            session.end(BROKEN)
            self.stop(session, BROKEN.code)

    def release(self, session: Session, gateway: str, now: float) -> None:
        """The gateway has no reader of this stream any more, or is lost. Ends a stream without a policy for it."""
        if session.release(gateway, now):
            log.info("worker.gateway_released", request_id=session.request.id)
        else:
            log.warning("worker.gateway_lost", request_id=session.request.id)
            # A gateway that was only paused reads this from its queued messages, and ends its client's stream.
            self.stop(session, GATEWAY_LOST, end=LOST)

    def attach(self, attach: Attach) -> None:
        """Send the frames that the gateway misses, of an open or ended stream."""
        if (open_ := self.get(attach.stream)) is not None:
            stream = open_.stream
            open_.unread_since = None
        elif attach.stream in self._ended:
            stream = self._ended[attach.stream][1]
        else:
            return
        if attach.attempt in {0, stream.attempt}:
            stream.attach(attach.gateway, attach.from_seq)

    def repeat_last(self, now: float) -> None:
        """Send the last frame of each stream again: a gateway that missed frames detects the gap."""
        for session in self:
            session.stream.repeat_last()
        for ended_at, stream in reversed(self._ended.values()):
            if now - ended_at > REPEATED_S:
                break
            stream.repeat_last()

    def check_time(self, now: float) -> None:
        """End the streams whose time is over, and drop those that ended more than `replay_kept_s` ago."""
        for session in self:
            session.check_time(now)
            if session.unread_too_long(now):
                self.stop(session, UNREAD.code, end=UNREAD)
        while self._ended:
            stream, (ended_at, _) = next(iter(self._ended.items()))
            if now - ended_at < self._replay_kept_s:
                return
            del self._ended[stream]
