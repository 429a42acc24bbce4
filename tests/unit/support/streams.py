"""A gateway's open stream and a client that may be slow."""

from penstock_contract.route.spec import LimitsSpec
from penstock_contract.stream.events import Accepted, Event, Started
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.renderers.simple import SeedRenderer
from penstock_gateway.streaming.stream import LiveStream

NOW = 1000.0
ACCEPTED = Accepted("worker-1", 0.25)
STARTED = Started("main")


class Client:
    """A writer that remembers; with `takes` it refuses what is more than that many writes."""

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
    def heard(self) -> bytes:
        return b"".join(self.writes)


def live(id_: int = 7, route: str = "default.main", renderer: Renderer | None = None) -> LiveStream:
    return LiveStream(id_, "req_1", route, LimitsSpec(), renderer or SeedRenderer(), NOW)


def feed(stream: LiveStream, *events: Event, attempt: int = 1, from_seq: int = 0, now: float = NOW) -> None:
    for seq, event in enumerate(events, from_seq):
        stream.feed(attempt, seq, event, now)


def started(*events: Event, client: Client | None = None) -> tuple[LiveStream, Client]:
    """A stream whose answer has begun, with its client attached."""
    stream, client = live(), client or Client()
    feed(stream, ACCEPTED, STARTED)
    stream.attach(client)
    feed(stream, *events, from_seq=2)
    return stream, client
