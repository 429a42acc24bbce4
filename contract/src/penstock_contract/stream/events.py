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
    unanswered_input: int = 0
    unanswered_cost: str = "0"


class TextDelta(Struct, frozen=True, array_like=True, tag=2, gc=False):
    text: str


class ReasoningDelta(Struct, frozen=True, array_like=True, tag=3, gc=False):
    text: str


class ToolCallDelta(Struct, frozen=True, array_like=True, tag=4, gc=False):
    """`id` and `name` come with the first delta of an `index`; `arguments` is a piece of JSON text.

    `index` is dense from 0. `fields` is a JSON object of what else the provider sent with it, for clients of its
    dialect.
    """

    index: int
    id: str | None
    name: str | None
    arguments: str
    fields: bytes = b""


class UsageReported(Struct, frozen=True, array_like=True, tag=5, gc=False):
    """The provider's own count, in tokens: 0 to 2^53, and plausible.

    Input that the provider had in its cache and input that it wrote to its cache are parts of the input, reasoning is
    part of the output. `details` is a JSON object of what else the provider counted. `estimated`: the provider did not
    count the output, and the number is the worker's estimate.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_input_tokens: int = 0
    details: bytes = b""
    estimated: bool = False


class Finished(Struct, frozen=True, array_like=True, tag=6, gc=False):
    reason: FinishReason


class Failed(Struct, frozen=True, array_like=True, tag=7, gc=False):
    error: ErrorDetail


class Embedded(Struct, frozen=True, array_like=True, tag=8, gc=False):
    """One vector: `index` is its place in the request's input, `vector` little-endian float32."""

    index: int
    vector: bytes


class RefusalDelta(Struct, frozen=True, array_like=True, tag=9, gc=False):
    """The model's words instead of an answer in the requested form."""

    text: str


class AnswerFields(Struct, frozen=True, array_like=True, tag=10, gc=False):
    """Fields that have no event of their own, as a JSON object, for clients of the provider's dialect.

    `answer` is beside OpenAI's `choices`, `choice` beside `delta` or `message`, `delta` inside it. Fields of a delta
    are pieces like a text delta; the others replace what was sent under their name before.
    """

    place: Literal["answer", "choice", "delta"]
    fields: bytes


class NativeEvent(Struct, frozen=True, array_like=True, tag=20, gc=False):
    """An event of the provider's own stream, as it came, for a client of the same API.

    `name` is the event's type, `data` one JSON object without line ends. `length` are the characters of the model's
    output in it. `index` is that of the block which further `TextDelta`s continue, -1 if `data` starts no block.
    """

    name: str
    data: bytes
    length: int = 0
    index: int = -1


class ChoiceSwitched(Struct, frozen=True, array_like=True, tag=11, gc=False):
    """The events after it are of choice `index`; before the first one they are of choice 0.

    Only in answers of which several were requested (`n`). `Started`, `UsageReported` and the end are of all choices.
    """

    index: int


class ChoiceFinished(Struct, frozen=True, array_like=True, tag=12, gc=False):
    """The current choice of several has ended. The stream ends with `Finished`, which has the first choice's reason."""

    reason: FinishReason


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
    | AnswerFields
    | NativeEvent
    | ChoiceSwitched
    | ChoiceFinished
)
"""Keep-alives (`ping`) are the gateway's own words to a client, not events of a stream."""
