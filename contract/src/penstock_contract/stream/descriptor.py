"""Describes a stream beyond its connection: how it is rendered, and what a disconnect does to it.

Any gateway can render the stream's frames to the same bytes again from its descriptor. It contains no text of the
answer, and of the prompt only what an answer repeats: the instructions and tools of the Responses API.
"""

from typing import Literal

from msgspec import Struct

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.frames import StreamId
from penstock_contract.subjects import Token

OnDisconnect = Literal["Cancel", "Grace", "Detach"]


class DisconnectPolicy(Struct, frozen=True, array_like=True):
    """Policy of a disconnect of the last reader: the stream ends `grace_s` later, or runs to its end (None).

    A stream that is cancelled at once has no policy. Its frames are stored for `keep_s`, 0 for not at all.
    """

    grace_s: float | None = None
    keep_s: float = 0.0


class Rendering(Struct, frozen=True, array_like=True):
    """Input of a dialect's renderer beside the request's id. `options` is the dialect's own, as JSON."""

    dialect: str
    model: str
    created: int
    options: bytes = b"{}"


class StreamDescriptor(Struct, frozen=True, array_like=True):
    """One stream; `id` is its public id, the `x-request-id` of its request, and `gateway` the one that began it."""

    id: Token
    tenant: Token
    route: str
    stream: StreamId
    gateway: Token
    rendering: Rendering
    policy: DisconnectPolicy | None = None


class FindStream(Struct, frozen=True, array_like=True):
    """A gateway's request to the gateway that began a stream: its descriptor, or with `stop` its end.

    Repeated while the sender has a reader: the stream then counts as read.
    """

    id: Token
    tenant: Token
    stop: bool = False


class FoundStream(Struct, frozen=True, array_like=True):
    """The reply; `descriptor` is None for a stream that the tenant does not have here.

    `worker` serves it, if one is known. `error` is the end that the gateway itself gave it: no frame has it.
    """

    descriptor: StreamDescriptor | None = None
    worker: Token | None = None
    ended: bool = False
    error: ErrorDetail | None = None
