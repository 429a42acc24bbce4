"""The responses of Anthropic's Messages API.

A provider of that API sends more fields than these Structs name, and they reach the client as they came.
"""

from typing import Any, Literal

from msgspec import Struct

Json = dict[str, Any]

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]


class CacheCreation(Struct, frozen=True):
    """Cache writes by the lifetime of what was written."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class MessageUsage(Struct, frozen=True):
    """`input_tokens` is without input that was read from a cache or written to one: their sum is the whole input."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation: CacheCreation = CacheCreation()
    output_tokens_details: Json | None = None
    server_tool_use: Json | None = None
    service_tier: str | None = None
    inference_geo: str | None = None


class MessageResponse(Struct, frozen=True):
    """A whole answer. `content` are blocks of type `text`, `thinking`, `tool_use`, or a provider's own."""

    id: str
    model: str
    content: list[Json]
    stop_reason: StopReason | None
    usage: MessageUsage
    stop_sequence: str | None = None
    stop_details: Json | None = None
    container: Json | None = None
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"


class MessageStreamEvent(Struct, frozen=True, omit_defaults=True):
    """One event of a stream: `message_start` … `message_stop`, `ping` or `error`; `event:` repeats the type."""

    type: str
    index: int | None = None
    message: MessageResponse | None = None
    content_block: Json | None = None
    delta: Json | None = None
    usage: Json | None = None


class TokensCount(Struct, frozen=True):
    input_tokens: int


class ModelInfo(Struct, frozen=True):
    """A model in Anthropic's shape, for clients that send `anthropic-version`."""

    id: str
    display_name: str
    created_at: str
    type: Literal["model"] = "model"
    lifecycle: Literal["active"] = "active"


class ModelInfoPage(Struct, frozen=True):
    """A page of models; `last_id` is the `after_id` of the next one."""

    data: list[ModelInfo]
    has_more: bool
    first_id: str | None = None
    last_id: str | None = None
