"""Every door of the gateway, declared once: method, path, what goes in, what comes out.

The gateway's handlers and the client meet in these values. The client is generic over them, so that an editor knows
the types with no generated code; nothing here knows HTTP beyond the two words of a request line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Generic, Literal, TypeVar

from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatRequest,
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
)
from penstock_contract.responses import (
    ChatChunk,
    ChatCompletion,
    ChatCompletionChunk,
    EmbeddingsResponse,
    EmbedResponse,
    Health,
    ModelList,
    Readiness,
)

Request = TypeVar("Request")
Response = TypeVar("Response")
Chunk = TypeVar("Chunk")


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint(Generic[Request, Response]):
    """A door that answers once, with JSON; `request` is `NoneType` where there is no body.

    `implied` are the fields of the request that choosing this door decides: OpenAI has two doors behind one path.
    `answers` are the statuses that come with a `response`; any other brings an `ErrorBody`.
    """

    method: Literal["GET", "POST"]
    path: str
    request: type[Request]
    response: type[Response]
    implied: Mapping[str, object] = field(default_factory=dict)
    answers: tuple[int, ...] = (200,)


@dataclass(frozen=True, slots=True, eq=False)
class StreamEndpoint(Generic[Request, Chunk]):
    """A door that answers 200 with server-sent events, each of them one `chunk`, ended by `data: [DONE]`."""

    method: Literal["GET", "POST"]
    path: str
    request: type[Request]
    chunk: type[Chunk]
    implied: Mapping[str, object] = field(default_factory=dict)


CHAT = StreamEndpoint("POST", "/api/chat", ChatRequest, ChatChunk)
GENERATE = StreamEndpoint("POST", "/api/generate", GenerateRequest, ChatChunk)
EMBED = Endpoint("POST", "/api/embed", EmbedRequest, EmbedResponse)

CHAT_COMPLETION = Endpoint(
    "POST", "/v1/chat/completions", ChatCompletionRequest, ChatCompletion, implied={"stream": False}
)
CHAT_COMPLETION_STREAM = StreamEndpoint(
    "POST", "/v1/chat/completions", ChatCompletionRequest, ChatCompletionChunk, implied={"stream": True}
)
EMBEDDINGS = Endpoint("POST", "/v1/embeddings", EmbeddingsRequest, EmbeddingsResponse)
MODELS = Endpoint("GET", "/v1/models", NoneType, ModelList)

HEALTH = Endpoint("GET", "/health", NoneType, Health)
READY = Endpoint("GET", "/ready", NoneType, Readiness, answers=(200, 503))
