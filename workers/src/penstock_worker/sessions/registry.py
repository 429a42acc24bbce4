"""The requests in this worker's hands, and for a while those that ended: somebody may have missed their last words."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator

from penstock_contract.stream.frames import Attach
from penstock_worker.sessions.reply_stream import OutgoingStream
from penstock_worker.sessions.session import Session

ENDED_STREAMS_MAX = 4096
SAID_AGAIN_S = 10.0
"""A gateway asks by itself about a stream that has been silent for this long."""


class SessionTable:
    """By the stream's id; times are event-loop times. A session belongs to its task from `add` to `ended`."""

    def __init__(self, *, replay_kept_s: float) -> None:
        self._open: dict[int, tuple[Session, asyncio.Task[None]]] = {}
        self._ended: OrderedDict[int, tuple[float, OutgoingStream]] = OrderedDict()
        self._replay_kept_s = replay_kept_s

    def __len__(self) -> int:
        """Open ones."""
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        """Open ones, as of now."""
        return iter([session for session, _ in self._open.values()])

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [task for _, task in self._open.values()]

    def add(self, session: Session, task: asyncio.Task[None]) -> None:
        self._open[session.request.stream] = session, task

    def ended(self, session: Session, now: float) -> None:
        del self._open[session.request.stream]
        self._ended[session.request.stream] = now, session.stream
        if len(self._ended) > ENDED_STREAMS_MAX:
            self._ended.popitem(last=False)

    def get(self, stream: int) -> Session | None:
        """The open session."""
        return self._open[stream][0] if stream in self._open else None

    def served(self, stream: int) -> bool:
        """Whether it has ended here lately."""
        return stream in self._ended

    def stop(self, session: Session, code: str, serves: int = 0) -> None:
        """End it; its row says `code`, unless another attempt `serves` the request: then the row is that one's.

        If that is ours, a worker of our name before us was meant.
        """
        if serves == session.stream.attempt:
            return
        session.served_by = serves or session.served_by
        session.usage.stopped = code
        self.cancel(session)

    def cancel(self, session: Session) -> None:
        """Not at once: a task that is cancelled before its first step never runs, not even its `finally`."""
        asyncio.get_running_loop().call_soon(self._open[session.request.stream][1].cancel)

    def attach(self, attach: Attach) -> None:
        """Send what the gateway misses, of an open stream or one that ended."""
        if (open_ := self.get(attach.stream)) is not None:
            stream = open_.stream
        elif attach.stream in self._ended:
            stream = self._ended[attach.stream][1]
        else:
            return
        if attach.attempt in {0, stream.attempt}:
            stream.attach(attach.gateway, attach.from_seq)

    def repeat_last(self, now: float) -> None:
        """Say the last word of each stream again: it shows the gateways what they miss, if they do."""
        for session in self:
            session.stream.repeat_last()
        for ended_at, stream in reversed(self._ended.values()):
            if now - ended_at > SAID_AGAIN_S:
                break
            stream.repeat_last()

    def forget(self, now: float) -> None:
        """Drop what ended too long ago."""
        while self._ended:
            stream, (ended_at, _) = next(iter(self._ended.items()))
            if now - ended_at < self._replay_kept_s:
                return
            del self._ended[stream]
