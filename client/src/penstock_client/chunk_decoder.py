"""A stream's bytes to typed chunks: what each event means, and when the answer is whole. No IO.

The Responses API names each event, repeats the name as the `type` of its data, and ends without `[DONE]`: an event
whose name is a tag of the chunk's type is a chunk, and some of them are the last one. Events with names of later
versions are left out.

The two iterators in `chunk_iterators` feed it and pop from it. Events are kept undecoded until popped, so that text
which came in the same network read as an error still reaches the caller before the error does.
"""

from collections import deque
from collections.abc import Hashable
from functools import lru_cache
from typing import Final, Generic, TypeVar, cast

import msgspec
from msgspec import inspect

from penstock_client.errors import failed_in_stream, invalid, truncated
from penstock_contract.stream.sse import EventTooLarge, ServerSentEvent, SseDecoder

Chunk = TypeVar("Chunk")

DONE = "[DONE]"
LAST_EVENTS: Final = frozenset({"response.completed", "response.failed", "response.incomplete"})
UNNAMED: Final = frozenset({"message", "error"})
MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Longest event; a server that sends a longer one is not a gateway."""


class ChunkDecoder(Generic[Chunk]):
    """`feed` bytes until `ready`, then `pop`; events with other names (`queued`, `ping`) are skipped.

    `received` are the events that the stream begins after.
    """

    def __init__(self, chunk: type[Chunk], request_id: str | None, received: int = 0) -> None:
        self._names = UNNAMED | tags(cast("Hashable", chunk))
        self._decoder = msgspec.json.Decoder(chunk)
        self._request_id = request_id
        self._sse = SseDecoder(MAX_EVENT_BYTES)
        self._events: deque[ServerSentEvent] = deque()
        self._complete = False
        self.received = received
        """Events received, as the gateway counts them: without reports that a request waits."""

    @property
    def ready(self) -> bool:
        """Return whether `pop` has a chunk or the end without more bytes."""
        return self._complete or bool(self._events)

    def feed(self, data: bytes) -> None:
        """Take bytes, or `b""` for the end of the body; raises `StreamTruncated` if that comes too early."""
        if not data:
            raise truncated("the stream ended before its last event", self._request_id)
        try:
            events = self._sse.events(data)
        except EventTooLarge as error:
            raise invalid(str(error), self._request_id) from error
        self.received += sum(event.event != "queued" for event in events)
        self._events.extend(event for event in events if event.event in self._names)

    def restart(self) -> None:
        """The next bytes are another response's, which begins after the events received."""
        self._sse = SseDecoder(MAX_EVENT_BYTES)

    def pop(self) -> Chunk | None:
        """The next chunk, None after the last one; raises the `GatewayError` that the stream carries."""
        if self._complete:
            return None
        event = self._events.popleft()
        if event.event == "error":
            raise failed_in_stream(event.data, self._request_id)
        if event.data == DONE:
            self._complete = True
            return None
        self._complete = event.event in LAST_EVENTS
        try:
            return self._decoder.decode(event.data)
        except msgspec.DecodeError as error:  # OpenAI's wire sends errors as events without a name
            raise failed_in_stream(event.data, self._request_id) from error


@lru_cache
def tags(chunk: Hashable) -> frozenset[str]:
    """The values of `type` that tell the Structs of a union apart; none for other types."""
    found = inspect.type_info(chunk)
    types = found.types if isinstance(found, inspect.UnionType) else ()
    return frozenset(str(one.tag) for one in types if isinstance(one, inspect.StructType) and one.tag is not None)
