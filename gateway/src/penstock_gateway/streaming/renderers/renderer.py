"""The renderer interface, and the bytes that dialects share."""

from typing import Any, Protocol

import msgspec

from penstock_contract.stream.events import Event

encode_json = msgspec.json.Encoder().encode

PING = b": ping\n\n"
"""Two line ends: with one, some clients drop the event after it."""
DONE = b"data: [DONE]\n\n"


class Renderer(Protocol):
    """Receives every event after `Started`, in order; returns whole SSE events, LF only, or nothing."""

    def render(self, event: Event) -> bytes: ...

    def around_text(self) -> tuple[bytes, bytes] | None:
        """The bytes before and after the JSON text in the event of a next `TextDelta`; None if `render` is needed.

        They are valid until another event is rendered.
        """
        ...


def data_event(value: Any) -> bytes:
    return b"data: " + encode_json(value) + b"\n\n"
