"""The responses of each endpoint.

A stream of the simple dialect has `ChatChunk`s, one of OpenAI's dialect `ChatCompletionChunk`s. OpenAI's answers also
carry other fields of the provider (docs/reference/answers.md); the Structs name the fields that several providers have.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from penstock_contract.request.messages import ToolCall
from penstock_contract.stream.events import FinishReason


class ChatChunk(Struct, frozen=True):
    """One event of `/api/chat` and `/api/generate`; the stream ends with `data: [DONE]`."""

    text: str


class EmbedResponse(Struct, frozen=True):
    embedding: list[float]
    dimensions: int


class Health(Struct, frozen=True):
    status: Literal["ok"]
    runtime: str


class Readiness(Struct, frozen=True):
    ready: bool
    reason: str


class PromptTokensDetails(Struct, frozen=True):
    """`cache_write_tokens`, OpenRouter's word, are there when a provider wrote input to its cache."""

    cached_tokens: int = 0
    cache_write_tokens: int | UnsetType = UNSET


class CompletionTokensDetails(Struct, frozen=True):
    reasoning_tokens: int = 0


class CompletionUsage(Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class AssistantMessage(Struct, frozen=True):
    """`tool_calls` is left out, not null, when there are none: OpenAI's schema requires it."""

    content: str | None
    refusal: str | None = None
    role: Literal["assistant"] = "assistant"
    tool_calls: list[ToolCall] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning_details: list[dict[str, Any]] | UnsetType = UNSET
    annotations: list[dict[str, Any]] | UnsetType = UNSET
    images: list[dict[str, Any]] | UnsetType = UNSET


class Choice(Struct, frozen=True):
    message: AssistantMessage
    finish_reason: FinishReason
    index: int = 0
    logprobs: None = None


class ChatCompletion(Struct, frozen=True):
    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage | UnsetType = UNSET
    object: Literal["chat.completion"] = "chat.completion"
    system_fingerprint: str | UnsetType = UNSET
    service_tier: str | UnsetType = UNSET


class FunctionCallDelta(Struct, frozen=True):
    arguments: str
    name: str | UnsetType = UNSET


class ToolCallChunk(Struct, frozen=True):
    index: int
    function: FunctionCallDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class Delta(Struct, frozen=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallChunk] | UnsetType = UNSET
    reasoning_details: list[dict[str, Any]] | UnsetType = UNSET
    annotations: list[dict[str, Any]] | UnsetType = UNSET
    images: list[dict[str, Any]] | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True):
    delta: Delta
    finish_reason: FinishReason | None = None
    index: int = 0
    logprobs: None = None


class ChatCompletionChunk(Struct, frozen=True):
    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | UnsetType | None = UNSET
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    system_fingerprint: str | UnsetType = UNSET
    service_tier: str | UnsetType = UNSET


class TextLogprobs(Struct, frozen=True):
    """Log probabilities by position; `text_offset` counts the characters of the choice's text."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class TextChoice(Struct, frozen=True):
    """`finish_reason` is null in a stream until the choice ends."""

    text: str
    index: int = 0
    logprobs: TextLogprobs | None = None
    finish_reason: Literal["stop", "length", "content_filter"] | None = None


class TextCompletion(Struct, frozen=True):
    """The answer of `/v1/completions`, and each event of its stream: OpenAI has one shape for both."""

    id: str
    created: int
    model: str
    choices: list[TextChoice]
    usage: CompletionUsage | UnsetType | None = UNSET
    object: Literal["text_completion"] = "text_completion"
    system_fingerprint: str | UnsetType = UNSET
    service_tier: str | UnsetType = UNSET


class EmbeddingObject(Struct, frozen=True):
    """`embedding` is base64 of little-endian float32 when the request has `encoding_format: base64`."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingUsage(Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(Struct, frozen=True):
    data: list[EmbeddingObject]
    model: str
    usage: EmbeddingUsage
    object: Literal["list"] = "list"


class Model(Struct, frozen=True):
    """`type`, which OpenAI's models lack, is what the model is for."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"
    type: Literal["chat", "embedding"] | UnsetType = UNSET


class ModelList(Struct, frozen=True):
    data: list[Model]
    object: Literal["list"] = "list"


class StoppedStream(Struct, frozen=True):
    """`DELETE /v1/streams/{id}`: the stream has no reader any more, and nothing of it is kept."""

    id: str
    object: Literal["stream"] = "stream"
    deleted: Literal[True] = True


class StreamUsage(Struct, frozen=True):
    """`GET /v1/streams/{id}/usage`: the request's usage record. `ended` is null while the request is open.

    `cost` is decimal text in the currency of the route's prices, "0" without prices; times are in seconds.
    """

    id: str
    model: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    estimated: bool
    cost: str
    first_token_s: float | None
    duration_s: float
    ended: str | None
    object: Literal["stream.usage"] = "stream.usage"
