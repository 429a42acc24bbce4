"""The streams that this gateway began, by their public id: open ones, and for a while those that have ended."""

from collections import OrderedDict

from msgspec import Struct

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.descriptor import FindStream, FoundStream, Rendering, StreamDescriptor
from penstock_gateway.streaming.stream import Stream

ENDED_S = 30.0
"""An ended stream is found for as long as its worker keeps the frames, see the worker's `replay_kept_s`."""
ENDED_MAX = 4096
ENDED_BYTES_MAX = 64 * 1024 * 1024
"""Of the renderings: one of the Responses API repeats the request's instructions and tools."""


class EndedStream(Struct, frozen=True):
    found: FoundStream
    at: float


class StreamTable:
    """Times are event-loop times."""

    def __init__(self, *, gateway: str) -> None:
        self._gateway = gateway
        self._open: dict[str, tuple[Stream, Rendering]] = {}
        self._ended: OrderedDict[str, EndedStream] = OrderedDict()
        self._ended_bytes = 0

    def __len__(self) -> int:
        """Open and ended streams."""
        return len(self._open) + len(self._ended)

    def add(self, stream: Stream, rendering: Rendering) -> None:
        self._open[stream.request_id] = stream, rendering

    def end(self, stream: Stream, now: float) -> None:
        """The stream has ended; a stream that is not in the table was deleted."""
        known = self._open.pop(stream.request_id, None)
        if known is None:
            return
        # A frame of the worker has the end, unless the gateway made it.
        error = None if stream.ended_by_worker else stream.error
        self._ended[stream.request_id] = EndedStream(self._found(*known, ended=True, error=error), now)
        self._ended_bytes += len(known[1].options)
        while self._ended and self._over(now):
            _, oldest = self._ended.popitem(last=False)
            self._ended_bytes -= _size(oldest)

    def find(self, wanted: FindStream, now: float) -> FoundStream:
        """The tenant's stream, here."""
        if (known := self._open.get(wanted.id)) is not None:
            stream, rendering = known
            if stream.tenant != wanted.tenant:
                return FoundStream()
            return self._found(stream, rendering, ended=False, error=None)
        ended = self._ended.get(wanted.id)
        if ended is None or now - ended.at > ENDED_S or _tenant(ended.found) != wanted.tenant:
            return FoundStream()
        return ended.found

    def stream(self, id_: str) -> Stream | None:
        """The open stream."""
        known = self._open.get(id_)
        return None if known is None else known[0]

    def delete(self, id_: str) -> None:
        """Remove a stream that its client has deleted."""
        self._open.pop(id_, None)
        if (ended := self._ended.pop(id_, None)) is not None:
            self._ended_bytes -= _size(ended)

    def descriptor(self, stream: Stream, rendering: Rendering) -> StreamDescriptor:
        policy = None if stream.readers is None else stream.readers.policy
        return StreamDescriptor(
            stream.request_id, stream.tenant, stream.route, stream.id, self._gateway, rendering, policy
        )

    def _over(self, now: float) -> bool:
        oldest = next(iter(self._ended.values()))
        return len(self._ended) > ENDED_MAX or self._ended_bytes > ENDED_BYTES_MAX or now - oldest.at > ENDED_S

    def _found(self, stream: Stream, rendering: Rendering, *, ended: bool, error: ErrorDetail | None) -> FoundStream:
        return FoundStream(self.descriptor(stream, rendering), stream.serving.worker, ended, error)


def _tenant(found: FoundStream) -> str | None:
    return None if found.descriptor is None else found.descriptor.tenant


def _size(ended: EndedStream) -> int:
    return 0 if ended.found.descriptor is None else len(ended.found.descriptor.rendering.options)
