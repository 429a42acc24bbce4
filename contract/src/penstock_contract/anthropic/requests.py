"""The public request types of the Messages API, for the OpenAPI document and typed clients.

A body is checked by `body`, which keeps its bytes: fields that these Structs do not name go on as they came.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from penstock_contract.request.operations import MESSAGES_MAX, TOOLS_MAX, Fraction, ModelName

Json = dict[str, Any]
MaxTokens = Annotated[int, Meta(ge=0, le=10_000_000)]
Temperature = Annotated[float, Meta(ge=0, le=1)]


class InputMessage(Struct, frozen=True):
    """`content` is a text, or blocks of the types in docs/reference/messages.md."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Json]


InputMessages = Annotated[list[InputMessage], Meta(min_length=1, max_length=MESSAGES_MAX)]


class Prompt(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The parts that are counted as input."""

    model: ModelName
    messages: InputMessages
    system: str | list[Json] | UnsetType = UNSET
    tools: Annotated[list[Json], Meta(max_length=TOOLS_MAX)] | UnsetType = UNSET
    tool_choice: Json | UnsetType = UNSET
    thinking: Json | UnsetType = UNSET
    output_config: Json | UnsetType = UNSET
    cache_control: Json | None = None


class MessagesRequest(Prompt, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/messages`, as the Anthropic SDKs send it."""

    max_tokens: MaxTokens
    stream: bool = False
    stop_sequences: list[str] | UnsetType = UNSET
    temperature: Temperature | UnsetType = UNSET
    top_p: Fraction | UnsetType = UNSET
    top_k: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    metadata: Json | UnsetType = UNSET
    service_tier: str | UnsetType = UNSET


class CountTokensRequest(Prompt, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/messages/count_tokens`."""
