"""Reads a stream again after its connection was cut: the requests, and when to stop trying. Pure.

The gateway renders the stream again and leaves out the events that were received, so that no chunk is lost or repeated.
A stream that the client leaves on purpose is stopped: the gateway would otherwise wait for it to return.
"""

from dataclasses import dataclass
from types import NoneType
from typing import Final, TypeVar

from penstock_contract.endpoint_responses import StoppedStream
from penstock_contract.endpoints import STREAM_ID, STREAMS_PATH, Endpoint, StreamEndpoint
from penstock_contract.openai_responses.request import ResponseRequest

Chunk = TypeVar("Chunk")

ON_DISCONNECT: Final = {"x-penstock-on-disconnect": "grace"}
"""Requests the longest grace that the route allows."""
FRUITLESS_MAX: Final = 2
"""After so many resumptions that brought no event, the stream counts as truncated."""
STOP_TIMEOUT_S: Final = 2.0
OF_RESPONSE: Final = "resp_"
"""How the id of a response begins; the rest is that of its stream."""


def again(id_: str, chunk: type[Chunk]) -> StreamEndpoint[None, Chunk]:
    """The endpoint that reads a stream again."""
    return StreamEndpoint("GET", f"{STREAMS_PATH}/{_checked(id_)}", NoneType, chunk)


def stop(id_: str) -> Endpoint[None, StoppedStream]:
    """The endpoint that stops a stream."""
    return Endpoint("DELETE", f"{STREAMS_PATH}/{_checked(id_)}", NoneType, StoppedStream)


def after(count: int) -> dict[str, str]:
    """The header that leaves out the first `count` events."""
    return {"last-event-id": str(count)} if count else {}


def outlives_its_reader(request: object) -> bool:
    """True for a request whose answer goes on without a reader: a background response."""
    return isinstance(request, ResponseRequest) and bool(request.background)


def stream_id(id_: str) -> str:
    """The id of a response's stream; any other id unchanged."""
    return f"req_{id_.removeprefix(OF_RESPONSE)}" if id_.startswith(OF_RESPONSE) else id_


def is_stream_id(id_: str | None) -> bool:
    """True for the id of a gateway that can read a stream again."""
    return id_ is not None and STREAM_ID.fullmatch(id_) is not None


def _checked(id_: str) -> str:
    if not is_stream_id(id_):
        raise ValueError(f"not a stream's id: {id_!r}")
    return id_


@dataclass(slots=True)
class ResumeLimit:
    """Counts resumptions; one that brought an event starts the count again."""

    events: int = -1
    fruitless: int = 0

    def reached(self, events: int) -> bool:
        """True if a stream that was cut after `events` should not be resumed once more."""
        self.fruitless = self.fruitless + 1 if events == self.events else 0
        self.events = events
        return self.fruitless > FRUITLESS_MAX
