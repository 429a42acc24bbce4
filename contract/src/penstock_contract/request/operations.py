"""Requests of clients by endpoint, and the operation that a worker gets from each of them.

An endpoint's Structs are the public API: server and client share them (no code generation). Bounds are in the types.
A body is checked by `chat_body` and `embeddings_body`, and goes to the worker as the bytes that the client sent.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from penstock_contract.request.messages import Message, ResponseFormat, Tool, ToolChoice
from penstock_contract.stream.descriptor import DisconnectPolicy
from penstock_contract.stream.frames import StreamId
from penstock_contract.subjects import Token

ModelName = Annotated[str, Meta(min_length=1, max_length=256)]
NonEmpty = Annotated[str, Meta(min_length=1)]
Tokens = Annotated[list[int], Meta(min_length=1)]
INPUTS_MAX = 2048
MESSAGES_MAX = 4096
TOOLS_MAX = 512
Messages = Annotated[list[Message], Meta(min_length=1, max_length=MESSAGES_MAX)]
Tools = Annotated[list[Tool], Meta(max_length=TOOLS_MAX)]
Stop = str | Annotated[list[str], Meta(max_length=16)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
TokenCount = Annotated[int, Meta(ge=-1, le=10_000_000)]
"""-1 is no limit, as llama.cpp and LM Studio have it; 0 is refused."""
TokenLimit = TokenCount | Annotated[float, Meta(ge=-1, le=10_000_000)]
CHOICES_MAX = 128
"""OpenAI's own bound of `n`."""
Choices = Annotated[int, Meta(ge=1, le=CHOICES_MAX)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[float, Meta(ge=-(2**63), lt=2**63)]


class Sampling(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Sampling settings; None leaves the provider's default."""

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
    include_usage: bool | None = False


class ChatCompletionRequest(Sampling, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/chat/completions`, as the OpenAI SDKs send it."""

    model: ModelName
    messages: Messages
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: TokenCount | None = None
    n: Choices | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0)] | None = None


class CompletionRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/completions`, OpenAI's older API of plain text: the prompt is sent as a chat's one user message.

    `suffix` and `echo` have no counterpart in a chat, and may only be empty and false.
    """

    model: ModelName
    prompt: NonEmpty | Annotated[list[NonEmpty], Meta(min_length=1, max_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenCount | None = None
    temperature: Temperature | None = None
    top_p: Fraction | None = None
    stop: Stop | None = None
    seed: int | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None
    suffix: Literal[""] | None = None
    echo: Literal[False] | None = None


class EmbeddingsRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/embeddings`; the OpenAI SDKs request `base64` by default."""

    model: ModelName
    input: NonEmpty | Annotated[list[NonEmpty | int | Tokens], Meta(min_length=1, max_length=1_000_000)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Meta(ge=1, le=65536)] | None = None
    user: str | None = None


class ChatMessage(Struct, frozen=True):
    role: Literal["user", "assistant"]
    content: NonEmpty


class ChatRequest(Struct, frozen=True, omit_defaults=True):
    """`POST /api/chat`. The answer is always a stream: `stream` may only be true."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=4096)]
    model: ModelName | None = None
    stream: bool | None = None


class GenerateRequest(Struct, frozen=True, omit_defaults=True):
    """`POST /api/generate`. The answer is always a stream: `stream` may only be true."""

    prompt: NonEmpty
    model: ModelName | None = None
    stream: bool | None = None


class EmbedRequest(Struct, frozen=True, omit_defaults=True):
    """`POST /api/embed`."""

    text: NonEmpty
    model: ModelName | None = None


class ChatOperation(Struct, frozen=True, kw_only=True, tag="chat"):
    """A chat completion: `body` is JSON in OpenAI's form, as the client sent it.

    `input_tokens` is our own count of all that is sent, see `input_size`. `choices` is the number of requested answers.
    """

    body: bytes
    input_tokens: int
    choices: int = 1


class EmbeddingsOperation(Struct, frozen=True, kw_only=True, tag="embeddings"):
    """Embeddings: `body` is JSON in OpenAI's form, as the client sent it; `count`: requested vectors."""

    body: bytes
    input_tokens: int
    count: int


BETAS_MAX = 64
Beta = Annotated[str, Meta(min_length=1, max_length=128)]
Betas = Annotated[list[Beta], Meta(max_length=BETAS_MAX)]


class MessagesOperation(Struct, frozen=True, kw_only=True, tag="messages"):
    """A message of Anthropic's API: `body` is JSON in its form, as the client sent it.

    `version` and `betas` are the client's `anthropic-version` and `anthropic-beta`, for a provider of the same API.
    """

    body: bytes
    input_tokens: int
    version: str
    betas: Betas = []


class CountTokensOperation(Struct, frozen=True, kw_only=True, tag="count_tokens"):
    """A count of the input of a Messages request by its provider. It generates nothing: no token is charged."""

    body: bytes
    version: str
    betas: Betas = []
    input_tokens: int = 0


Operation = ChatOperation | EmbeddingsOperation | MessagesOperation | CountTokensOperation
Generation = ChatOperation | MessagesOperation
"""Operations whose answer is generated text."""


class InferenceRequest(Struct, frozen=True, kw_only=True):
    """A request on the route's queue.

    `timeout_s` is what the request may take from the moment a worker has it. The gateway, which measures how long the
    request waited, ends it by its own clock. `published_at` is in Unix seconds, for the usage row and for display:
    clocks of machines differ and step, so nothing is ended or discarded by it. `disconnect` is None for a stream that
    ends with its connection.
    """

    id: Token
    stream: StreamId
    gateway: Token
    tenant: Token
    model: str
    published_at: float
    timeout_s: float
    operation: Operation
    disconnect: DisconnectPolicy | None = None

    def queued_s(self, now: float) -> float:
        """Seconds that the request waited, by the clocks of two machines; `now` in Unix seconds.

        0 if that cannot be: the gateway would have ended the request.
        """
        waited_s = now - self.published_at
        return waited_s if 0 < waited_s <= self.timeout_s else 0.0


UNSUPPORTED: dict[str, str] = {
    "functions": "use tools",
    "function_call": "use tool_choice",
    "audio": "only text is answered",
}
"""Fields that would change the answer into one that we cannot give: refused, as to drop them would deceive."""
