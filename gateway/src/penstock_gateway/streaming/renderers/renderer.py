"""What a stream needs of a dialect, and the bytes that dialects share."""

from typing import Any, Protocol

import msgspec

from penstock_contract.errors import ErrorBody, ErrorDetail
from penstock_contract.stream.events import Event

encode_json = msgspec.json.Encoder().encode

PING = b": ping\n\n"
"""Two line ends: with one, some clients drop the event after it (wire.md §1.3)."""
DONE = b"data: [DONE]\n\n"


class Renderer(Protocol):
    """Hears every event after `Started`, in order; returns whole SSE events, LF only, or nothing."""

    def render(self, event: Event) -> bytes: ...


def data_event(value: Any) -> bytes:
    return b"data: " + encode_json(value) + b"\n\n"


def error_json(error: ErrorDetail) -> bytes:
    return encode_json(ErrorBody.of(error))
