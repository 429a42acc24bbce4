"""What OpenAPI should say where Litestar cannot know it: streams are `text/event-stream`, errors have one shape."""

from dataclasses import dataclass
from typing import Any, cast

from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation, Reference, Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from penstock_contract.chat_body import ChatBody
from penstock_contract.embeddings_body import EmbeddingsBody
from penstock_contract.errors import ErrorBody
from penstock_contract.requests import ChatCompletionRequest, EmbeddingsRequest
from penstock_contract.responses import ChatChunk, ChatCompletion, ChatCompletionChunk

SSE_SEED = ResponseSpec(
    ChatChunk,
    description='Server-sent events: one `data: {"text": …}` per piece, then `data: [DONE]`; '
    "`event: error` with the error object if it fails midway",
    media_type="text/event-stream",
    examples=[Example(value='data: {"text":"Hello"}\n\ndata: [DONE]\n\n')],
)
CHAT_COMPLETION = ResponseSpec(
    cast("type[Any]", ChatCompletion | ChatCompletionChunk),
    description="The completion; with `stream: true` server-sent events (`text/event-stream`) of "
    "`chat.completion.chunk` objects, ended by `data: [DONE]`",
    media_type="application/json",
)


@dataclass
class ChatCompletionOperation(Operation):
    """Files the two answers under their own media types, which one `ResponseSpec` cannot."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = {
                "application/json": OpenAPIMediaType(Reference("#/components/schemas/ChatCompletion")),
                "text/event-stream": OpenAPIMediaType(Reference("#/components/schemas/ChatCompletionChunk")),
            }


REQUESTS: dict[Any, Any] = {ChatBody: ChatCompletionRequest, EmbeddingsBody: EmbeddingsRequest}
"""What a handler takes, and the public type of the body that it was read from."""


class RequestSchemas(OpenAPISchemaPlugin):
    """Files a body's public type in place of what its reader made of it."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        return value in REQUESTS

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        public = FieldDefinition.from_annotation(REQUESTS[field_definition.annotation])
        return cast("Schema", schema_creator.for_field_definition(public))


ERRORS = {
    status: ResponseSpec(ErrorBody, description=description, generate_examples=False)
    for status, description in {
        400: "The request is invalid; `param` names the field",
        404: "The model does not exist",
        413: "The body is too large",
        429: "The queue or the provider's rate limit is full; see `retry-after`",
        502: "The provider failed",
        503: "No worker took the request in time, or the broker is away; see `retry-after`",
        504: "The provider's first token came too late",
    }.items()
}
