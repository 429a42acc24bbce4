"""What a client asks for, per door, and what a worker gets, whatever the door.

The door's Structs are the public API: server and client share them (no code generation). Bounds are in the types.
Fields that we do not know are accepted and dropped, as OpenAI's SDKs and the AI SDK send more than is documented.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from penstock_contract.frames import StreamId
from penstock_contract.messages import Message, ResponseFormat, Tool, ToolChoice

ModelName = Annotated[str, Meta(min_length=1, max_length=256)]
NonEmpty = Annotated[str, Meta(min_length=1)]
Messages = Annotated[list[Message], Meta(min_length=1, max_length=4096)]
Tools = Annotated[list[Tool], Meta(max_length=512)]
Stop = str | Annotated[list[str], Meta(max_length=16)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
TokenCount = Annotated[int, Meta(ge=1, le=10_000_000)]


class Sampling(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a provider should generate; None leaves the provider's default."""

    max_tokens: TokenCount | None = None
    temperature: Temperature | None = None
    top_p: Fraction | None = None
    stop: Stop | None = None
    seed: int | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    user: str | None = None


class StreamOptions(Struct, frozen=True):
    include_usage: bool = False


class ChatCompletionRequest(Sampling, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/chat/completions`, as the OpenAI SDKs send it."""

    model: ModelName
    messages: Messages
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: TokenCount | None = None
    n: Literal[1] | None = None


class EmbeddingsRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/embeddings`; the OpenAI SDKs ask for `base64` when their caller says nothing."""

    model: ModelName
    input: NonEmpty | Annotated[list[NonEmpty], Meta(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Meta(ge=1, le=65536)] | None = None
    user: str | None = None


class SeedMessage(Struct, frozen=True):
    role: Literal["user", "assistant"]
    content: NonEmpty


class ChatRequest(Struct, frozen=True, omit_defaults=True):
    """`POST /api/chat`."""

    messages: Annotated[list[SeedMessage], Meta(min_length=1, max_length=4096)]
    model: ModelName | None = None


class GenerateRequest(Struct, frozen=True, omit_defaults=True):
    """`POST /api/generate`."""

    prompt: NonEmpty
    model: ModelName | None = None


class EmbedRequest(Struct, frozen=True, omit_defaults=True):
    """`POST /api/embed`."""

    text: NonEmpty
    model: ModelName | None = None


class ChatOperation(Sampling, frozen=True, omit_defaults=True, kw_only=True, tag="chat"):
    """A chat completion in neutral words; what every provider adapter starts from."""

    messages: list[Message]


class EmbeddingsOperation(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="embeddings"):
    input: list[str]
    dimensions: int | None = None


Operation = ChatOperation | EmbeddingsOperation
"""The tags are OpenTelemetry's `gen_ai.operation.name`."""


class InferenceRequest(Struct, frozen=True, kw_only=True):
    """A request on the route's queue. Times are Unix seconds: they are compared across machines."""

    id: str
    stream: StreamId
    gateway: str
    tenant: str
    model: str
    published_at: float
    deadline_at: float
    operation: Operation


def chat_operation(request: ChatCompletionRequest) -> ChatOperation:
    """Neutral form of an OpenAI request; `max_completion_tokens` is the newer name of `max_tokens` and wins."""
    sampling: dict[str, Any] = {name: getattr(request, name) for name in Sampling.__struct_fields__}
    if request.max_completion_tokens is not None:
        sampling["max_tokens"] = request.max_completion_tokens
    return ChatOperation(messages=request.messages, **sampling)
