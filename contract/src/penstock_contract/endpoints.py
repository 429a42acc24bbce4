"""The endpoints of the gateway, declared once: method, path, request type and response type.

The gateway's handlers are declared by these values, and the client is generic over them: an editor shows the types
without generated code. Nothing here depends on HTTP beyond the method and the path of a request line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, Final, Generic, Literal, Self, TypeVar, cast
from urllib.parse import quote

from penstock_contract.ai_sdk.ui_chunks import UIMessageChunk
from penstock_contract.ai_sdk.ui_message import UIChatRequest
from penstock_contract.anthropic.requests import CountTokensRequest, MessagesRequest
from penstock_contract.anthropic.responses import MessageResponse, TokensCount
from penstock_contract.endpoint_responses import (
    ChatChunk,
    ChatCompletion,
    ChatCompletionChunk,
    EmbeddingsResponse,
    EmbedResponse,
    Health,
    ModelList,
    Readiness,
    TextCompletion,
)
from penstock_contract.openai_responses.request import InputItemsQuery, ResponseRequest
from penstock_contract.openai_responses.response import (
    DeletedResponse,
    InputItems,
    InputTokensCount,
    ResponseObject,
)
from penstock_contract.openai_responses.stream_events import ResponseEvent
from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatRequest,
    CompletionRequest,
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
)

Request = TypeVar("Request")
Response = TypeVar("Response")
Chunk = TypeVar("Chunk")

PARAMETER: Final = re.compile(r"\{(\w+):str\}")
NO_SEGMENT: Final = frozenset({"", ".", ".."})
"""In a path they would lead to another endpoint."""


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint(Generic[Request, Response]):
    """An endpoint that answers once, with JSON; `request` is `NoneType` where there is no body.

    A `GET` has the fields of its request in the query. A path may have parameters, see `at`.
    `implied` are the request fields that follow from the endpoint: OpenAI has two endpoints behind one path.
    `answers` are the statuses that come with a `response`; any other brings an `ErrorBody`.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    request: type[Request]
    response: type[Response]
    implied: Mapping[str, object] = field(default_factory=dict)
    answers: tuple[int, ...] = (200,)

    def at(self, **parameters: str) -> Self:
        """The endpoint with the parameters of its path filled in, percent-encoded. Raises `ValueError`."""
        names = PARAMETER.findall(self.path)
        if set(names) != set(parameters) or not NO_SEGMENT.isdisjoint(parameters.values()):
            raise ValueError(f"{self.path} needs a path segment for each of {names}, got {parameters}")
        return replace(self, path=PARAMETER.sub(lambda found: quote(parameters[found[1]], safe=""), self.path))


@dataclass(frozen=True, slots=True, eq=False)
class StreamEndpoint(Generic[Request, Chunk]):
    """An endpoint that answers 200 with server-sent events, each of them one `chunk`, ended by `data: [DONE]`."""

    method: Literal["GET", "POST"]
    path: str
    request: type[Request]
    chunk: type[Chunk]
    implied: Mapping[str, object] = field(default_factory=dict)


CHAT = StreamEndpoint("POST", "/api/chat", ChatRequest, ChatChunk)
UI_CHAT = StreamEndpoint("POST", "/api/chat", UIChatRequest, cast("type[UIMessageChunk]", UIMessageChunk))
"""The same path for the bodies of the AI SDK's `useChat`, whose messages have `parts`."""
GENERATE = StreamEndpoint("POST", "/api/generate", GenerateRequest, ChatChunk)
EMBED = Endpoint("POST", "/api/embed", EmbedRequest, EmbedResponse)

CHAT_COMPLETION = Endpoint(
    "POST", "/v1/chat/completions", ChatCompletionRequest, ChatCompletion, implied={"stream": False}
)
CHAT_COMPLETION_STREAM = StreamEndpoint(
    "POST", "/v1/chat/completions", ChatCompletionRequest, ChatCompletionChunk, implied={"stream": True}
)
MESSAGES = Endpoint("POST", "/v1/messages", MessagesRequest, MessageResponse, implied={"stream": False})
COUNT_TOKENS = Endpoint("POST", "/v1/messages/count_tokens", CountTokensRequest, TokensCount)
RESPONSE = Endpoint("POST", "/v1/responses", ResponseRequest, ResponseObject, implied={"stream": False})
RESPONSE_STREAM = StreamEndpoint(
    "POST",
    "/v1/responses",
    ResponseRequest,
    cast("type[ResponseEvent]", ResponseEvent),
    implied={"stream": True},
)
RESPONSE_INPUT_TOKENS = Endpoint("POST", "/v1/responses/input_tokens", ResponseRequest, InputTokensCount)
STORED_RESPONSE = Endpoint("GET", "/v1/responses/{response_id:str}", NoneType, ResponseObject)
CANCEL_RESPONSE = Endpoint("POST", f"{STORED_RESPONSE.path}/cancel", NoneType, ResponseObject)
DELETE_RESPONSE = Endpoint("DELETE", STORED_RESPONSE.path, NoneType, DeletedResponse)
RESPONSE_INPUT_ITEMS = Endpoint("GET", f"{STORED_RESPONSE.path}/input_items", InputItemsQuery, InputItems)
COMPLETION = Endpoint("POST", "/v1/completions", CompletionRequest, TextCompletion, implied={"stream": False})
COMPLETION_STREAM = StreamEndpoint(
    "POST", "/v1/completions", CompletionRequest, TextCompletion, implied={"stream": True}
)
EMBEDDINGS = Endpoint("POST", "/v1/embeddings", EmbeddingsRequest, EmbeddingsResponse)
MODELS = Endpoint("GET", "/v1/models", NoneType, ModelList)

STREAMS_PATH: Final = "/v1/streams"
"""`GET` below it reads a stream again, `DELETE` stops it; the stream's id is its `x-request-id`."""
STREAM_ID: Final = re.compile(r"req_[0-9a-f]{24}")

HEALTH = Endpoint("GET", "/health", NoneType, Health)
READY = Endpoint("GET", "/ready", NoneType, Readiness, answers=(200, 503))

ALL: tuple[Endpoint[Any, Any] | StreamEndpoint[Any, Any], ...] = (
    CHAT,
    UI_CHAT,
    GENERATE,
    EMBED,
    CHAT_COMPLETION,
    CHAT_COMPLETION_STREAM,
    MESSAGES,
    COUNT_TOKENS,
    RESPONSE,
    RESPONSE_STREAM,
    RESPONSE_INPUT_TOKENS,
    STORED_RESPONSE,
    CANCEL_RESPONSE,
    DELETE_RESPONSE,
    RESPONSE_INPUT_ITEMS,
    COMPLETION,
    COMPLETION_STREAM,
    EMBEDDINGS,
    MODELS,
    HEALTH,
    READY,
)
