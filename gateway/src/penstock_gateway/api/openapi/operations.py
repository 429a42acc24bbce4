"""OpenAPI descriptions that Litestar cannot derive: streams are `text/event-stream`, errors have one shape."""

from dataclasses import dataclass
from typing import Any, cast, get_args

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation, Reference, Schema

from penstock_contract.ai_sdk.ui_chunks import UIMessageChunk
from penstock_contract.anthropic.responses import MessageResponse, MessageStreamEvent
from penstock_contract.endpoint_responses import (
    ChatChunk,
    ChatCompletion,
    ChatCompletionChunk,
    StoppedStream,
    TextCompletion,
)
from penstock_contract.errors import ErrorBody
from penstock_contract.openai_responses.response import ResponseObject
from penstock_contract.openai_responses.stream_events import ResponseEvent

SIMPLE_STREAM = ResponseSpec(
    ChatChunk,
    description='Server-sent events: one `data: {"text": …}` per piece, then `data: [DONE]`; '
    "`event: error` with the error object if it fails midway",
    media_type="text/event-stream",
    examples=[Example(value='data: {"text":"Hello"}\n\ndata: [DONE]\n\n')],
)
API_CHAT_STREAM = ResponseSpec(
    ChatChunk,
    description='Server-sent events in the dialect of the request: `data: {"text": …}`; for messages with `parts` the '
    "AI SDK's UI message stream (`x-vercel-ai-ui-message-stream: v1`). Both end with `data: [DONE]`",
    media_type="text/event-stream",
)
UI_STREAM = ResponseSpec(
    ChatChunk,
    description="The AI SDK's UI message stream of the chat's last answer, from its beginning",
    media_type="text/event-stream",
)
STOPPED = ResponseSpec(StoppedStream, description="The stream that was stopped", generate_examples=False)
NO_STREAM = ResponseSpec(None, description="The chat has no answer whose end was not read", generate_examples=False)
ANY_STREAM = ResponseSpec(
    ChatCompletionChunk,
    description="Server-sent events, in the dialect that the stream was begun in",
    media_type="text/event-stream",
)
CHAT_COMPLETION_ANSWER = ResponseSpec(
    cast("type[Any]", ChatCompletion | ChatCompletionChunk),
    description="The completion; with `stream: true` server-sent events (`text/event-stream`) of "
    "`chat.completion.chunk` objects, ended by `data: [DONE]`",
    media_type="application/json",
)

COMPLETION_ANSWER = ResponseSpec(
    TextCompletion,
    description="The completion; with `stream: true` server-sent events (`text/event-stream`) of the same objects, "
    "ended by `data: [DONE]`",
    media_type="application/json",
)


@dataclass
class CompletionOperation(Operation):
    """Gives the stream its own media type, with the same object in each event."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            schema = Reference("#/components/schemas/TextCompletion")
            answer.content = {name: OpenAPIMediaType(schema) for name in ("application/json", "text/event-stream")}


@dataclass
class ChatCompletionOperation(Operation):
    """Gives each of the two answers its own media type, which one `ResponseSpec` cannot."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = {
                "application/json": OpenAPIMediaType(Reference("#/components/schemas/ChatCompletion")),
                "text/event-stream": OpenAPIMediaType(Reference("#/components/schemas/ChatCompletionChunk")),
            }


MESSAGE_ANSWER = ResponseSpec(
    cast("type[Any]", MessageResponse | MessageStreamEvent),
    description="The message; with `stream: true` server-sent events (`text/event-stream`), each with its type in "
    "`event:` and in its data, from `message_start` to `message_stop`",
    media_type="application/json",
)


@dataclass
class MessagesDocumentation(Operation):
    """As `ChatCompletionOperation`, for the Messages API."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = {
                "application/json": OpenAPIMediaType(Reference("#/components/schemas/MessageResponse")),
                "text/event-stream": OpenAPIMediaType(Reference("#/components/schemas/MessageStreamEvent")),
            }


RESPONSE_ANSWER = ResponseSpec(
    cast("type[Any]", ResponseObject),
    description="The response; with `stream: true` server-sent events (`text/event-stream`), each with its type in "
    "`event:` and in its data, from `response.created` to `response.completed`, `incomplete` or `failed`",
    media_type="application/json",
)


@dataclass
class ResponseOperation(Operation):
    """Gives the whole response and the events of its stream their own media types."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            events = [Reference(f"#/components/schemas/{event.__name__}") for event in get_args(ResponseEvent)]
            answer.content = {
                "application/json": OpenAPIMediaType(Reference("#/components/schemas/ResponseObject")),
                "text/event-stream": OpenAPIMediaType(Schema(any_of=events)),
            }


UI_CHUNKS = tuple(chunk.__name__ for chunk in get_args(UIMessageChunk))


@dataclass
class ApiChatOperation(Operation):
    """Gives the one path the events of both dialects."""

    def __post_init__(self) -> None:
        _set_events(self, "ChatChunk", *UI_CHUNKS)


@dataclass
class UIStreamOperation(Operation):
    """Gives the stream the chunks of a UI message stream."""

    def __post_init__(self) -> None:
        _set_events(self, *UI_CHUNKS)


def _set_events(operation: Operation, *names: str) -> None:
    answer = (operation.responses or {}).get("200")
    if isinstance(answer, OpenAPIResponse):
        schema = Schema(any_of=[Reference(f"#/components/schemas/{name}") for name in names])
        answer.content = {"text/event-stream": OpenAPIMediaType(schema)}


ERRORS = {
    status: ResponseSpec(ErrorBody, description=description, generate_examples=False)
    for status, description in {
        400: "The request is invalid; `param` names the field",
        404: "The model does not exist",
        413: "The body is too large",
        429: "The queue or the provider's rate limit is full; see `retry-after`",
        502: "The provider failed",
        503: "No worker took the request in time, or the broker is unavailable; see `retry-after`",
        504: "The provider's first token was late",
    }.items()
}
