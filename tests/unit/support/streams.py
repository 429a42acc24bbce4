"""An open stream of a gateway, and a client that may read slowly."""

from typing import Any

from penstock_contract.route.spec import LimitsSpec
from penstock_contract.stream.events import Accepted, Event, Started
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.renderers.simple import SimpleRenderer
from penstock_gateway.streaming.stream import Stream

NOW = 1000.0
ACCEPTED = Accepted("worker-1", 0.25)
STARTED = Started("main")


class RecordingWriter:
    """Keeps what is written; with `takes` it rejects writes beyond that number."""

    def __init__(self, takes: int | None = None) -> None:
        self.writes: list[bytes] = []
        self.taken: int | None = None
        self._takes = takes

    def write(self, data: bytes) -> bool:
        if self._takes is not None and len(self.writes) >= self._takes:
            return False
        self.writes.append(data)
        return True

    @property
    def received(self) -> bytes:
        return b"".join(self.writes)


def make_stream(id_: int = 7, route: str = "default.main", renderer: Renderer | None = None, **options: Any) -> Stream:
    return Stream(id_, "req_1", route, LimitsSpec(), renderer or SimpleRenderer(), NOW, **options)


def feed(stream: Stream, *events: Event, attempt: int = 1, from_seq: int = 0, now: float = NOW) -> None:
    for seq, event in enumerate(events, from_seq):
        stream.feed(attempt, seq, event, now)


def started_stream(*events: Event, client: RecordingWriter | None = None) -> tuple[Stream, RecordingWriter]:
    """A stream whose answer has begun, with its client attached."""
    stream, client = make_stream(), client or RecordingWriter()
    feed(stream, ACCEPTED, STARTED)
    stream.attach(client)
    feed(stream, *events, from_seq=2)
    return stream, client
