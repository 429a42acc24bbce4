"""The OpenAPI document: Litestar's paths, completed with schemas, errors, keys, streams and examples.

Schemas are msgspec's own, because Litestar's leave out limits of 0 and limits inside unions. Version 3.2, because only
its `itemSchema` gives the events of a stream a type. `complete` is pure.
"""

import copy
from collections.abc import Iterator
from types import NoneType
from typing import Any

import msgspec
from litestar import Request, Router
from litestar._openapi.plugin import handle_schema_path_not_found
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import License
from litestar.routes import BaseRoute
from litestar.types import ControllerRouterHandler

from penstock_contract.ai_sdk.ui_chat_body import ApiChatBody
from penstock_contract.anthropic.body import CountTokensBody, MessagesBody
from penstock_contract.anthropic.errors import MessagesErrorBody
from penstock_contract.anthropic.responses import MessageStreamEvent
from penstock_contract.endpoint_responses import ChatChunk, Model
from penstock_contract.endpoints import (
    ALL,
    CHAT,
    CHAT_COMPLETION,
    COMPLETION,
    COUNT_TOKENS,
    EMBEDDINGS,
    MESSAGES,
    RESPONSE,
    UI_CHAT,
    Endpoint,
)
from penstock_contract.errors import ErrorBody
from penstock_contract.openai_responses.body import ResponseBody
from penstock_contract.openai_responses.stream_events import ResponseCreated
from penstock_contract.request.chat_body import ChatBody
from penstock_contract.request.completions_body import CompletionBody
from penstock_contract.request.embeddings_body import EmbeddingsBody
from penstock_gateway.access.authentication import OPEN_PATHS
from penstock_gateway.api.openapi import property_descriptions
from penstock_gateway.api.openapi.examples import EXAMPLES, STREAMS
from penstock_gateway.api.openapi.headers import describe_headers
from penstock_gateway.api.openapi.streams import name_events

Json = dict[str, Any]

VERSION = "3.2.0"

REFERENCE = "#/components/schemas/{name}"
BODIES = (endpoint.request for endpoint in ALL if endpoint.method == "POST")
REQUESTS = tuple({body: None for body in BODIES if body is not NoneType})
ANSWERS = (
    *(endpoint.response if isinstance(endpoint, Endpoint) else endpoint.chunk for endpoint in ALL),
    ErrorBody,
    MessagesErrorBody,
    MessageStreamEvent,
    Model,
)
READ_AS = {
    ChatBody.__name__: (CHAT_COMPLETION.request.__name__,),
    CompletionBody.__name__: (COMPLETION.request.__name__,),
    EmbeddingsBody.__name__: (EMBEDDINGS.request.__name__,),
    ApiChatBody.__name__: (CHAT.request.__name__, UI_CHAT.request.__name__),
    MessagesBody.__name__: (MESSAGES.request.__name__,),
    CountTokensBody.__name__: (COUNT_TOKENS.request.__name__,),
    ResponseBody.__name__: (RESPONSE.request.__name__,),
}
"""The public types of a body, by the type that an endpoint's reader returns; two where a path has two dialects."""
OPEN_OBJECTS = (
    CHAT_COMPLETION.request.__name__,
    COMPLETION.request.__name__,
    EMBEDDINGS.request.__name__,
    MESSAGES.request.__name__,
    COUNT_TOKENS.request.__name__,
    RESPONSE.request.__name__,
    UI_CHAT.request.__name__,
)
"""Requests whose unknown fields are forwarded to the provider. A generator rejects them unless the schema allows it."""

SECURITY_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A Penstock key, as OpenAI's SDKs send it."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "As Anthropic's SDKs send it."},
    "azureKey": {"type": "apiKey", "in": "header", "name": "api-key", "description": "As Azure's SDKs send it."},
}
ERROR_STATUSES: dict[str, str] = {
    "400": "The request is invalid; `param` names the field",
    "401": "No API key, or one that is not valid",
    "403": "A page of this origin may not use the API",
}
BODY_STATUSES: dict[str, str] = {"408": "The request's headers or body did not arrive in time"}
OTHER = "Every other error, in the same shape; docs/reference/errors.md lists the codes"


class DocumentPlugin(JsonRenderPlugin):
    """Renders the completed document; `keys_required` as in the gateway's settings."""

    def __init__(self, *, keys_required: bool) -> None:
        super().__init__()
        self._keys_required = keys_required

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:
        return self.render_json(request, complete(openapi_schema, keys_required=self._keys_required))


class DocumentRouter(Router):
    """Without Litestar's HTML page for unknown paths: they are answered like those of any other endpoint."""

    def register(self, value: ControllerRouterHandler) -> list[BaseRoute]:
        return [] if getattr(value, "fn", None) is handle_schema_path_not_found else super().register(value)


def configuration(version: str, *, keys_required: bool) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Penstock",
        version=version,
        summary="Any model provider behind one streaming API",
        description="Endpoints of OpenAI's and Anthropic's APIs, and a simple one. Properties are described as these"
        " APIs define them; docs/reference/providers.md lists what each provider type accepts.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        openapi_router=DocumentRouter("/schema", route_handlers=[], include_in_schema=False),
        render_plugins=[DocumentPlugin(keys_required=keys_required)],
    )


def complete(document: Json, *, keys_required: bool) -> Json:
    """A completed copy of `document`."""
    made = {**copy.deepcopy(document), "openapi": VERSION}
    components = made.setdefault("components", {})
    found = {
        name: schema
        for name, schema in components.get("schemas", {}).items()
        if name not in READ_AS and name not in INTERNAL
    }
    components["schemas"] = {**found, **_schemas()}
    components["securitySchemes"] = SECURITY_SCHEMES
    needed: list[Json] = [{name: []} for name in SECURITY_SCHEMES]
    made["security"] = needed if keys_required else [{}, *needed]
    for path, method, operation in _operations(made):
        if path in OPEN_PATHS:
            operation["security"] = []
        _errors(operation, path, with_key=path not in OPEN_PATHS, with_body=method == "post")
        for content in _contents(operation):
            _content(content)
    name_events(made)
    describe_headers(made)
    property_descriptions.describe(components["schemas"])
    return made


def _schemas() -> Json:
    _, schemas = msgspec.json.schema_components(ANSWERS, ref_template=REFERENCE)
    _, requests = msgspec.json.schema_components(REQUESTS, ref_template=REFERENCE)
    for schema in requests.values():
        for field in schema.get("properties", {}).values():
            # Generators treat a field with a default as always present, and make a client send it.
            field.pop("default", None)
    for name in OPEN_OBJECTS:
        requests[name].setdefault("additionalProperties", True)
    return {**schemas, **requests}


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "responses" in operation:
                yield path, method, operation


def _errors(operation: Json, path: str, *, with_key: bool, with_body: bool) -> None:
    shape = MessagesErrorBody if path.startswith(MESSAGES.path) else ErrorBody
    responses = operation["responses"]
    added = {**(ERROR_STATUSES if with_key else {}), **(BODY_STATUSES if with_body else {})}
    for status, description in added.items():
        present = responses.get(status, {}).get("description", "") if status != "400" else ""
        responses[status] = {"description": present or description, "content": _error_content(shape)}
    if with_key:
        responses["default"] = {"description": OTHER, "content": _error_content(shape)}
    for status, response in responses.items():
        if shape is MessagesErrorBody and status != "200":
            response["content"] = _error_content(shape)


def _error_content(shape: type) -> Json:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(name=shape.__name__)}}}


def _contents(operation: Json) -> Iterator[Json]:
    """The `content` of the body and of each response."""
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        if isinstance(content := holder.get("content"), dict):
            yield content


def _content(content: Json) -> None:
    for media_type, media in content.items():
        media.pop("examples", None)
        media.pop("example", None)
        name = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name in READ_AS:
            references = [{"$ref": REFERENCE.format(name=one)} for one in READ_AS[name]]
            media["schema"] = references[0] if len(references) == 1 else {"anyOf": references}
            name = READ_AS[name][0]
        if media_type == "text/event-stream":
            # `name_events` writes the whole body's, as a list of its events.
            events = media.pop("schema")
            media["itemSchema"] = _event(events.get("anyOf", [events]))
            media["example"] = STREAMS[name or events["anyOf"][0]["$ref"].rpartition("/")[2]]
        elif name in EXAMPLES:
            media["example"] = EXAMPLES[name]


INTERNAL = frozenset({"ChatOperation", "EmbeddingsOperation", "UIChatBody"})
"""What a decoded body becomes; Litestar lists them, and no client sends them."""
QUEUE_REPORT: Json = {
    "type": "object",
    "description": "Of `event: queued`: why the request waits, for a client that asked by `x-penstock-progress`",
    "required": ["cause"],
    "properties": {"position": {"type": ["integer", "null"]}, "cause": {"type": "string"}},
}


def _event(schemas: list[Json]) -> Json:
    """One server-sent event (OpenAPI 3.2 §4.14.4); `data` is JSON of one of `schemas`, or the last one's `[DONE]`.

    Anthropic's API has errors of its own, and no `[DONE]`. The Responses API has neither `[DONE]` nor an error but its
    event. The simple dialect has reports of the queue.
    """
    anthropics = _contain(schemas, MessageStreamEvent)
    responses = _contain(schemas, ResponseCreated)
    error = {"$ref": REFERENCE.format(name=(MessagesErrorBody if anthropics else ErrorBody).__name__)}
    content = {"type": "string", "contentMediaType": "application/json"}
    if _contain(schemas, ChatChunk):
        schemas = [*schemas, QUEUE_REPORT]
    return {
        "type": "object",
        "required": ["data"],
        "properties": {
            "event": {"type": "string"},
            "data": {
                "anyOf": [
                    *({**content, "contentSchema": schema} for schema in schemas),
                    *(() if responses else ({**content, "contentSchema": error},)),
                    *(() if anthropics or responses else ({"const": "[DONE]"},)),
                ]
            },
        },
    }


def _contain(schemas: list[Json], struct: type) -> bool:
    return any(schema.get("$ref", "").endswith(f"/{struct.__name__}") for schema in schemas)
