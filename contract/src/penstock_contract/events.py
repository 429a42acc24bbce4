"""The closed union of what can happen in a stream, in provider- and client-neutral words.

Workers parse a provider's dialect into these, the gateway renders them to the client's. Array-like msgpack with an
integer tag: a text delta costs about 14 bytes over its text. Tags are wire format: append, never renumber.
"""

from typing import Literal

from msgspec import Struct

from penstock_contract.errors import ErrorDetail
from penstock_contract.subjects import Token

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Accepted(Struct, frozen=True, array_like=True, tag=0, gc=False):
    """A worker took the request out of the queue and holds a slot for it; no provider has answered yet.

    `incarnation` is as in its heartbeats.
    """

    worker: Token
    queued_s: float
    incarnation: int = 0


class Started(Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A provider began to answer. From here on nothing is retried: a second generation costs money.

    `unanswered_input` tokens, at `unanswered_cost` (decimal text), were sent before to providers that did not answer.
    """

    provider: str
    provider_model: str
    unanswered_input: int = 0
    unanswered_cost: str = "0"


class TextDelta(Struct, frozen=True, array_like=True, tag=2, gc=False):
    text: str


class ReasoningDelta(Struct, frozen=True, array_like=True, tag=3, gc=False):
    text: str


class ToolCallDelta(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """`id` and `name` come with the first delta of an `index`; `arguments` is a piece of JSON text."""

    index: int
    id: str | None
    name: str | None
    arguments: str


class UsageReported(Struct, frozen=True, array_like=True, tag=5, gc=False):
    """The provider's own count, in tokens; cached input is part of input, reasoning part of output."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0


class Finished(Struct, frozen=True, array_like=True, tag=6, gc=False):
    reason: FinishReason


class Failed(Struct, frozen=True, array_like=True, tag=7, gc=False):
    error: ErrorDetail


class Embedded(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """One vector: `index` is its place in the request's input, `vector` little-endian float32."""

    index: int
    vector: bytes


class RefusalDelta(Struct, frozen=True, array_like=True, tag=9, gc=False):
    """The model's words instead of an answer in the form that was asked for."""

    text: str


Event = (
    Accepted
    | Started
    | TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | UsageReported
    | Finished
    | Failed
    | Embedded
    | RefusalDelta
)
"""Keep-alives (`ping`) are the gateway's own words to a client, not events of a stream."""
