"""The open streams of this gateway, and the subscription that feeds them.

A frame is given to a stream only if it arrived under the stream's own route: a worker cannot write into another route's
stream. A worker whose frames belong to no stream is stopped.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import cast

import structlog

from penstock_contract import codec, subjects
from penstock_contract.stream.events import Event, TextDelta
from penstock_gateway.streaming.pending_writes import PendingWrites
from penstock_gateway.streaming.stream import Stream
from penstock_gateway.streaming.stream_protocol import StreamProtocol

STOPPED_MAX = 4096
STOP_AGAIN_S = 1.0

log = structlog.get_logger("penstock.gateway")


class SharedStream:
    """A stream with several readers in this gateway: each gets every frame, and ends alone."""

    __slots__ = ("members",)

    def __init__(self, members: list[Stream]) -> None:
        self.members = members

    @property
    def route(self) -> str:
        return self.members[0].route

    @property
    def protocol(self) -> StreamProtocol:
        return self.members[0].protocol

    def feed(self, attempt: int, seq: int, event: Event, now: float) -> bool:
        """As of `Stream`. False if another attempt has replaced the sender's for the first member."""
        first, *others = [member.feed(attempt, seq, event, now) for member in self.members]
        del others
        return first

    def feed_text(self, attempt: int, seq: int, text: str, now: float, fed: list[Stream]) -> bool:
        """Always False: `feed` handles the frame."""
        del attempt, seq, text, now, fed
        return False


class StreamRegistry:
    """`stop(route, worker, stream, serves)` is called for a stream that a worker serves and that has no reader.

    `serves` is the attempt that is read instead, 0 for none. Repeated every `STOP_AGAIN_S` while its frames arrive:
    core NATS may have lost the message.
    """

    def __init__(self, stop: Callable[[str, str, int, int], None]) -> None:
        self._streams: dict[int, Stream | SharedStream] = {}
        self._shared: dict[int, SharedStream] = {}
        self._stop = stop
        self._writes = PendingWrites()
        self._stopped: OrderedDict[tuple[str, int], float] = OrderedDict()

    def __iter__(self) -> Iterator[Stream]:
        if not self._shared:
            return iter(cast("list[Stream]", list(self._streams.values())))
        return iter([member for one in self._streams.values() for member in members_of(one)])

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: Stream) -> None:
        """Feed `stream` with its frames, beside other streams of its id."""
        if (present := self._streams.get(stream.id)) is None:
            self._streams[stream.id] = stream
        else:
            shared = SharedStream([*members_of(present), stream])
            self._streams[stream.id] = self._shared[stream.id] = shared

    def remove(self, stream: Stream) -> None:
        present = self._streams.pop(stream.id, None)
        if type(present) is SharedStream:
            del self._shared[stream.id]
            for member in present.members:
                if member is not stream:
                    self.add(member)

    def members(self, id_: int) -> list[Stream]:
        """The streams of this id."""
        present = self._streams.get(id_)
        return [] if present is None else members_of(present)

    def stopping(self, stream: Stream) -> None:
        """A `Stop` with its reason is being published: further frames of this stream need no other."""
        if stream.serving.worker is not None:
            self._stopped[stream.serving.worker, stream.id] = asyncio.get_running_loop().time()

    def on_batch(self, subject: str, data: bytes) -> None:
        """The callback of the reply subscription; see `stream` for the rules of this path."""
        batch = codec.decode_batch(data)
        route = subjects.reply_route(subject)
        now = asyncio.get_running_loop().time()
        streams = self._streams
        fed: list[Stream] = []
        for frame in batch.frames:
            stream, event = streams.get(frame.stream), frame.event
            if stream is None:
                self._on_unwanted(route, batch.worker, frame.stream, 0, now)
            elif stream.route != route:
                log.warning("gateway.frame_of_foreign_route", route=route, worker=batch.worker)
            elif type(event) is TextDelta and stream.feed_text(frame.attempt, frame.seq, event.text, now, fed):
                pass
            elif not stream.feed(frame.attempt, frame.seq, event, now):
                self._on_unwanted(route, batch.worker, frame.stream, stream.protocol.attempt, now)
        self._writes.add(fed)

    def _on_unwanted(self, route: str, worker: str, stream: int, serves: int, now: float) -> None:
        if not subjects.TOKEN.fullmatch(worker):
            return  # no such worker; checked here, because `Batch` is decoded for every few tokens
        if now - self._stopped.get((worker, stream), -STOP_AGAIN_S) < STOP_AGAIN_S:
            return
        self._stopped[worker, stream] = now
        if len(self._stopped) > STOPPED_MAX:
            self._stopped.popitem(last=False)
        self._stop(route, worker, stream, serves)


def members_of(one: Stream | SharedStream) -> list[Stream]:
    return one.members if isinstance(one, SharedStream) else [one]
