"""Reads the server-sent events of Anthropic's streams; the payloads are the parser's matter."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

from penstock_contract.codec import UNREADABLE
from penstock_contract.stream.events import Event
from penstock_contract.stream.sse import SseDecoder
from penstock_worker.providers.failure.provider_failure import failure

UNREADABLE_ANYHOW = (*UNREADABLE, ValueError)


class EventReader(ABC):
    """A `ResponseParser` of a stream that only its last event completes."""

    __slots__ = ("_decoder", "complete", "progress")

    def __init__(self) -> None:
        self._decoder = SseDecoder()
        self.complete = False
        self.progress = 0

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._events(partial(self._decoder.payloads, data))

    def piece_of_chunk(self, data: bytes) -> Event | None:  # noqa: ARG002
        return None

    def end(self) -> Sequence[Event]:
        events = self._events(self._decoder.end)
        if not self.complete:
            raise failure("provider_stream_broken")
        return events

    @abstractmethod
    def _payload(self, payload: bytes, events: list[Event]) -> None:
        """Add the events of a payload. Raises `UNREADABLE_ANYHOW` for one that means nothing."""

    def _events(self, payloads: Callable[[], Sequence[bytes]]) -> Sequence[Event]:
        events: list[Event] = []
        try:
            for payload in payloads():
                self._payload(payload, events)
        except UNREADABLE_ANYHOW as error:
            raise failure("provider_stream_broken") from error
        return events
