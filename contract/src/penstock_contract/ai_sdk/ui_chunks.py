"""The chunks of the AI SDK's UI message stream that an answer has: a part of `uiMessageChunkSchema` of `ai` 5 and 6.

Tools run in the page, so no chunk has a tool's output. A stream is `start`, `start-step`, the parts, `finish-step`,
`finish`, and ends with `data: [DONE]`.
"""

from typing import Any, Literal

from msgspec import Struct


class UsageInputDetails(Struct, frozen=True, rename="camel"):
    no_cache_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


class UsageOutputDetails(Struct, frozen=True, rename="camel"):
    text_tokens: int
    reasoning_tokens: int


class UIUsage(Struct, frozen=True, rename="camel"):
    """`LanguageModelUsage` of `ai` 6; the two last names are those of `ai` 5."""

    input_tokens: int
    input_token_details: UsageInputDetails
    output_tokens: int
    output_token_details: UsageOutputDetails
    total_tokens: int
    reasoning_tokens: int
    cached_input_tokens: int


class StartMetadata(Struct, frozen=True, rename="camel"):
    model: str
    request_id: str


class FinishMetadata(Struct, frozen=True):
    usage: UIUsage


class StartChunk(Struct, frozen=True, rename="camel", tag="start"):
    """`messageId` is the id of the message that the answer is, or continues."""

    message_id: str
    message_metadata: StartMetadata


class StartStepChunk(Struct, frozen=True, tag="start-step"):
    """A call of a model begins."""


class TextStartChunk(Struct, frozen=True, tag="text-start"):
    id: str


class TextDeltaChunk(Struct, frozen=True, tag="text-delta"):
    id: str
    delta: str


class TextEndChunk(Struct, frozen=True, tag="text-end"):
    id: str


class ReasoningStartChunk(Struct, frozen=True, tag="reasoning-start"):
    id: str


class ReasoningDeltaChunk(Struct, frozen=True, tag="reasoning-delta"):
    id: str
    delta: str


class ReasoningEndChunk(Struct, frozen=True, rename="camel", omit_defaults=True, tag="reasoning-end"):
    """`providerMetadata.penstock.reasoningDetails` are signatures, for the next request to the same provider."""

    id: str
    provider_metadata: dict[str, dict[str, Any]] | None = None


class ToolInputStartChunk(Struct, frozen=True, rename="camel", tag="tool-input-start"):
    tool_call_id: str
    tool_name: str


class ToolInputDeltaChunk(Struct, frozen=True, rename="camel", tag="tool-input-delta"):
    tool_call_id: str
    input_text_delta: str


class ToolInputAvailableChunk(Struct, frozen=True, rename="camel", tag="tool-input-available"):
    tool_call_id: str
    tool_name: str
    input: Any


class ToolInputErrorChunk(Struct, frozen=True, rename="camel", tag="tool-input-error"):
    """The model's arguments are no JSON; `input` is their text."""

    tool_call_id: str
    tool_name: str
    input: str
    error_text: str


class SourceUrlChunk(Struct, frozen=True, rename="camel", omit_defaults=True, tag="source-url"):
    source_id: str
    url: str
    title: str | None = None


class FileChunk(Struct, frozen=True, rename="camel", tag="file"):
    url: str
    media_type: str


class ErrorChunk(Struct, frozen=True, rename="camel", tag="error"):
    """The last chunk of an answer that failed midway."""

    error_text: str


class AbortChunk(Struct, frozen=True, omit_defaults=True, tag="abort"):
    """The last chunk of an answer that was stopped."""

    reason: str | None = None


class Queued(Struct, frozen=True):
    """`position` counts from 1, null if it is not known."""

    position: int | None
    cause: str


class QueuedChunk(Struct, frozen=True, tag="data-queued"):
    """A report on a request that waits, before `start`; transient: the page's `onData` gets it, no message has it."""

    data: Queued
    transient: Literal[True] = True


class FinishStepChunk(Struct, frozen=True, tag="finish-step"):
    """The call of the model has ended."""


class FinishChunk(Struct, frozen=True, rename="camel", omit_defaults=True, tag="finish"):
    finish_reason: Literal["stop", "length", "content-filter", "tool-calls"]
    message_metadata: FinishMetadata | None = None


UIMessageChunk = (
    StartChunk
    | StartStepChunk
    | TextStartChunk
    | TextDeltaChunk
    | TextEndChunk
    | ReasoningStartChunk
    | ReasoningDeltaChunk
    | ReasoningEndChunk
    | ToolInputStartChunk
    | ToolInputDeltaChunk
    | ToolInputAvailableChunk
    | ToolInputErrorChunk
    | SourceUrlChunk
    | FileChunk
    | ErrorChunk
    | AbortChunk
    | QueuedChunk
    | FinishStepChunk
    | FinishChunk
)
