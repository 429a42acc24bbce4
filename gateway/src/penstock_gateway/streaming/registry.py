"""The open streams of this gateway, and the subscription that feeds them.

A frame is given to a stream only if it arrived under the stream's own route: a worker cannot write into another route's
stream. A worker whose frames belong to no stream is stopped.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator

import structlog

from penstock_contract import codec, subjects
from penstock_contract.stream.events import TextDelta
from penstock_gateway.streaming.stream import Stream

STOPPED_MAX = 4096
STOP_AGAIN_S = 1.0

log = structlog.get_logger("penstock.gateway")


class StreamRegistry:
    """`stop(route, worker, stream, serves)` is called for a stream that a worker serves and that has no reader.

    `serves` is the attempt that is read instead, 0 for none. Repeated every `STOP_AGAIN_S` while its frames arrive:
    core NATS may have lost the message.
    """

    def __init__(self, stop: Callable[[str, str, int, int], None]) -> None:
        self._streams: dict[int, Stream] = {}
        self._stop = stop
        self._stopped: OrderedDict[tuple[str, int], float] = OrderedDict()

    def __iter__(self) -> Iterator[Stream]:
        return iter(list(self._streams.values()))

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: Stream) -> None:
        self._streams[stream.id] = stream

    def remove(self, stream: Stream) -> None:
        self._streams.pop(stream.id, None)

    def stopping(self, stream: Stream) -> None:
        """A `Stop` with its reason is being published: further frames of this stream need no other."""
        if stream.worker is not None:
            self._stopped[stream.worker, stream.id] = asyncio.get_running_loop().time()

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
        for stream in fed:
            stream.flush()

    def _on_unwanted(self, route: str, worker: str, stream: int, serves: int, now: float) -> None:
        if not subjects.TOKEN.fullmatch(worker):
            return  # no such worker; checked here, because `Batch` is decoded for every few tokens
        if now - self._stopped.get((worker, stream), -STOP_AGAIN_S) < STOP_AGAIN_S:
            return
        self._stopped[worker, stream] = now
        if len(self._stopped) > STOPPED_MAX:
            self._stopped.popitem(last=False)
        self._stop(route, worker, stream, serves)
