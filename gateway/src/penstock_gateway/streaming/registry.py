"""The streams that are open in this gateway, and the way in for their frames.

A frame reaches a stream only if it came in under the stream's own route: no worker can speak into another route's
stream. A worker that sends frames nobody waits for is told to stop.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator

import structlog

from penstock_contract import codec, subjects
from penstock_gateway.streaming.stream import LiveStream

STOPPED_MAX = 4096
STOP_AGAIN_S = 1.0

log = structlog.get_logger("penstock.gateway")


class StreamTable:
    """`stop(route, worker, stream, serves)` is called for a stream that a worker still serves and nobody reads.

    `serves` is the attempt that is read instead, 0 for none. Again after `STOP_AGAIN_S`, as long as its frames come:
    core NATS may have lost it.
    """

    def __init__(self, stop: Callable[[str, str, int, int], None]) -> None:
        self._live: dict[int, LiveStream] = {}
        self._stop = stop
        self._stopped: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._loop = asyncio.get_running_loop()

    def __iter__(self) -> Iterator[LiveStream]:
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def add(self, stream: LiveStream) -> None:
        self._live[stream.id] = stream

    def remove(self, stream: LiveStream) -> None:
        self._live.pop(stream.id, None)

    def stopping(self, stream: LiveStream) -> None:
        """Its worker is being told to stop, with the reason: what still comes from it need not be answered."""
        if stream.worker is not None:
            self._stopped[stream.worker, stream.id] = self._loop.time()

    def on_batch(self, subject: str, data: bytes) -> None:
        """The reply subscription's callback; see `live` for the rules of this path."""
        batch = codec.decode_batch(data)
        route = subjects.reply_route(subject)
        now = self._loop.time()
        live = self._live
        for frame in batch.frames:
            stream = live.get(frame.stream)
            if stream is None:
                self._unwanted(route, batch.worker, frame.stream, 0, now)
            elif stream.route != route:
                log.warning("gateway.frame_of_foreign_route", route=route, worker=batch.worker)
            elif not stream.feed(frame.attempt, frame.seq, frame.event, now):
                self._unwanted(route, batch.worker, frame.stream, stream.attempt, now)

    def _unwanted(self, route: str, worker: str, stream: int, serves: int, now: float) -> None:
        if not subjects.TOKEN.fullmatch(worker):
            return  # nobody who could be told; not a bound of `Batch`, which is decoded for every few tokens
        if now - self._stopped.get((worker, stream), -STOP_AGAIN_S) < STOP_AGAIN_S:
            return
        self._stopped[worker, stream] = now
        if len(self._stopped) > STOPPED_MAX:
            self._stopped.popitem(last=False)
        self._stop(route, worker, stream, serves)
