"""What a client asks for, per door, and what a worker gets, whatever the door.

The door's Structs are the public API: server and client share them (no code generation). Bounds are in the types.
Fields that we do not know are accepted and dropped, as OpenAI's SDKs and the AI SDK send more than is documented.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from penstock_contract.errors import PenstockError
from penstock_contract.frames import StreamId
from penstock_contract.messages import Message, ResponseFormat, Tool, ToolChoice
from penstock_contract.subjects import Token

ModelName = Annotated[str, Meta(min_length=1, max_length=256)]
NonEmpty = Annotated[str, Meta(min_length=1)]
Tokens = Annotated[list[int], Meta(min_length=1)]
INPUTS_MAX = 2048
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
    input: NonEmpty | Annotated[list[NonEmpty | int | Tokens], Meta(min_length=1, max_length=1_000_000)]
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
    """A chat completion in neutral words; what every provider adapter starts from.

    `extra` holds fields that we do not know, for providers of the same dialect as the door.
    """

    messages: list[Message]
    extra: dict[str, Any] | None = None


class EmbeddingsOperation(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="embeddings"):
    """`input` is texts, or texts as token numbers; not both."""

    input: list[str | Tokens]
    dimensions: int | None = None


Operation = ChatOperation | EmbeddingsOperation
"""The tags are OpenTelemetry's `gen_ai.operation.name`."""


class InferenceRequest(Struct, frozen=True, kw_only=True):
    """A request on the route's queue.

    `timeout_s` is what the request may take from the moment a worker has it. The gateway, which knows how long the
    request waited, ends it by its own clock. `published_at` is in Unix seconds, for the usage row and for display:
    clocks of machines differ and step, so nothing is ended or discarded by it.
    """

    id: Token
    stream: StreamId
    gateway: Token
    tenant: Token
    model: str
    published_at: float
    timeout_s: float
    operation: Operation

    def queued_s(self, now: float) -> float:
        """How long the request waited, by the clocks of two machines; `now` in Unix seconds.

        0 if that cannot be: the gateway would have ended the request.
        """
        waited_s = now - self.published_at
        return waited_s if 0 < waited_s <= self.timeout_s else 0.0


UNSUPPORTED: dict[str, str] = {
    "functions": "use tools",
    "function_call": "use tool_choice",
    "logprobs": "the answer would lack them",
    "top_logprobs": "the answer would lack them",
    "audio": "only text is answered",
}
"""Fields that would change the answer into one that we cannot give: refused, as to drop them would deceive."""


def chat_operation(request: ChatCompletionRequest, fields: Mapping[str, Any]) -> ChatOperation:
    """Neutral form of an OpenAI request; `fields` is its whole body, for those that the Struct does not know.

    `max_completion_tokens` is the newer name of `max_tokens` and wins. Raises `invalid_request`.
    """
    unknown = {name: value for name, value in fields.items() if name not in KNOWN_FIELDS and value is not None}
    for name, reason in UNSUPPORTED.items():
        if unknown.pop(name, None):
            raise PenstockError("invalid_request", f"{name} is not supported: {reason}", param=name)
    sampling: dict[str, Any] = {name: getattr(request, name) for name in Sampling.__struct_fields__}
    if request.max_completion_tokens is not None:
        sampling["max_tokens"] = request.max_completion_tokens
    return ChatOperation(messages=request.messages, extra=unknown or None, **sampling)


KNOWN_FIELDS = frozenset(ChatCompletionRequest.__struct_fields__)


def embeddings_operation(request: EmbeddingsRequest) -> EmbeddingsOperation:
    """Neutral form of an OpenAI request: one text, several, or either as tokens. Raises `invalid_request`."""
    given = request.input
    inputs: list[Any] = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    kinds = {type(part) for part in (inputs[0] if isinstance(inputs[0], list) else inputs)}
    if len(kinds) > 1 or len({type(part) for part in inputs}) > 1:
        raise PenstockError("invalid_request", "input: texts and tokens cannot be mixed", param="input")
    if len(inputs) > INPUTS_MAX:
        raise PenstockError("invalid_request", f"input: at most {INPUTS_MAX} texts at once", param="input")
    return EmbeddingsOperation(input=inputs, dimensions=request.dimensions)
