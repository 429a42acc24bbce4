"""The OpenAPI document describes the behaviour of the gateway to generators and validators."""

import warnings
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import LitestarDeprecationWarning
from litestar.testing import TestClient

from penstock_contract.errors import ErrorBody
from penstock_contract.message_errors import MessagesErrorBody
from penstock_contract.message_responses import MessageResponse, TokensCount
from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.openai_responses.response import (
    DeletedResponse,
    InputItems,
    InputTokensCount,
    ResponseObject,
)
from penstock_contract.request.ai_sdk.ui_message import UIChatRequest
from penstock_contract.request.anthropic.requests import CountTokensRequest, MessagesRequest
from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatRequest,
    CompletionRequest,
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
    Model,
    ModelList,
    StoppedStream,
    TextCompletion,
)
from penstock_contract.ui_chunks import UIMessageChunk
from penstock_gateway.access.authentication import OPEN_PATHS
from penstock_gateway.api import anthropic, completions, openai, simple, status, streams, ui_chat
from penstock_gateway.api.document.streams import name_events
from penstock_gateway.api.openai_responses import responses, stored_responses
from penstock_gateway.api.openapi import QUEUE_REPORT, configuration
from penstock_gateway.api.openapi_examples import EXAMPLES, STREAMS
from penstock_gateway.http.cors import EXPOSED

STRUCTS: dict[str, type] = {
    one.__name__: one
    for one in (
        ChatCompletion,
        ChatCompletionRequest,
        ChatRequest,
        CountTokensRequest,
        DeletedResponse,
        CompletionRequest,
        EmbedRequest,
        EmbedResponse,
        EmbeddingsRequest,
        EmbeddingsResponse,
        ErrorBody,
        GenerateRequest,
        MessageResponse,
        MessagesErrorBody,
        MessagesRequest,
        InputItems,
        InputTokensCount,
        Model,
        ModelList,
        ResponseObject,
        ResponseRequest,
        StoppedStream,
        TokensCount,
        TextCompletion,
        UIChatRequest,
    )
}


HANDLERS = [
    simple.chat,
    ui_chat.read_chat_stream,
    ui_chat.stop_chat_stream,
    simple.generate,
    simple.embed,
    openai.chat_completions,
    anthropic.messages,
    anthropic.count_tokens,
    responses.create_response,
    responses.response_input_tokens,
    stored_responses.read_response_again,
    stored_responses.cancel_response,
    stored_responses.delete_response,
    stored_responses.response_input_items,
    completions.completions,
    openai.embeddings,
    openai.models,
    openai.model,
    streams.read_stream,
    streams.stop_stream,
    status.health,
    status.ready,
]


def served(*, keys_required: bool = True) -> dict[str, Any]:
    with warnings.catch_warnings():
        # Litestar 3's way to name a dependency is not used here.
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        app = Litestar(
            HANDLERS,
            dependencies={"api": Provide(lambda: None, sync_to_thread=False)},
            openapi_config=configuration("1.2.3", keys_required=keys_required),
        )
    with TestClient(app) as client:
        found: dict[str, Any] = msgspec.json.decode(client.get("/schema/openapi.json").content)
    return found


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return served()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_openapi_document_has_everything_that_it_references(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    for reference in set(references(document)):
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind]
    assert "Desk" not in schemas


def test_openapi_document_names_the_key_headers_and_the_open_paths(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]

    assert (schemes["bearer"]["scheme"], schemes["apiKey"]["name"]) == ("bearer", "x-api-key")
    assert document["security"] == [{name: []} for name in schemes]
    for path, _, operation in operations(document):
        assert operation.get("security") == ([] if path in OPEN_PATHS else None)


def test_openapi_document_of_a_gateway_without_keys_makes_them_optional() -> None:
    assert {} in served(keys_required=False)["security"]


def test_openapi_operations_have_the_errors_of_every_request_in_the_shape_of_their_api(
    document: dict[str, Any],
) -> None:
    for path, method, operation in operations(document):
        if path in OPEN_PATHS:
            continue
        expected = {"400", "401", "403", "default"} | ({"408"} if method == "post" else set())
        assert expected <= set(operation["responses"])
        for number, response in operation["responses"].items():
            if number in {"200", "204"}:
                continue
            schema = response["content"]["application/json"]["schema"]
            shape = "MessagesErrorBody" if path.startswith("/v1/messages") else "ErrorBody"
            assert schema == {"$ref": f"#/components/schemas/{shape}"}, (path, number)


def part(document: dict[str, Any], struct: str, field: str, type_: str) -> dict[str, Any]:
    """The alternative of a field's union that has this type."""
    field_schema = document["components"]["schemas"][struct]["properties"][field]
    [found] = [one for one in field_schema.get("anyOf", [field_schema]) if one.get("type") == type_]
    return dict(found)


def test_openapi_bounds_of_0_and_bounds_inside_unions_are_kept(document: dict[str, Any]) -> None:
    assert part(document, "ChatCompletionRequest", "temperature", "number")["minimum"] == 0
    assert part(document, "ChatCompletionRequest", "top_p", "number")["minimum"] == 0
    assert part(document, "EmbeddingsRequest", "input", "string")["minLength"] == 1
    texts = part(document, "EmbeddingsRequest", "input", "array")
    assert texts["minItems"] == 1
    assert {"type": "string", "minLength": 1} in texts["items"]["anyOf"]


@pytest.mark.parametrize(
    "name", ["ChatCompletionRequest", "EmbeddingsRequest", "MessagesRequest", "CountTokensRequest"]
)
def test_openapi_requests_that_forward_unknown_fields_allow_them(document: dict[str, Any], name: str) -> None:
    assert document["components"]["schemas"][name]["additionalProperties"] is True


def test_openapi_requests_have_no_defaults(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("ChatCompletionRequest", "ChatRequest", "EmbeddingsRequest", "Message", "StreamOptions"):
        assert not [field for field, one in schemas[name]["properties"].items() if "default" in one], name


def test_openapi_streams_are_lists_of_named_events(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    found = {}
    for path, _, operation in operations(document):
        media = operation["responses"]["200"]["content"].get("text/event-stream")
        if media is not None:
            event = media["itemSchema"]["$ref"].rpartition("/")[2]
            # A generator that reads no `itemSchema` finds the same event in the list.
            assert media["schema"] == {"type": "array", "items": media["itemSchema"]}
            if path != "/v1/streams/{stream_id}":
                first = schemas[event]["properties"]["data"]["anyOf"][0]
                found[path] = (event, first["contentSchema"]["$ref"].rpartition("/")[2])

    assert found == {
        "/api/chat": ("ApiChatEvent", "ChatChunk"),
        "/api/chat/{chat_id}/stream": ("ApiChatChatIdStreamEvent", "StartChunk"),
        "/api/generate": ("ChatChunkEvent", "ChatChunk"),
        "/v1/chat/completions": ("ChatCompletionChunkEvent", "ChatCompletionChunk"),
        "/v1/messages": ("MessageStreamEventEvent", "MessageStreamEvent"),
        "/v1/responses": ("V1ResponsesEvent", "ResponseCreated"),
        "/v1/completions": ("TextCompletionEvent", "TextCompletion"),
    }


def test_openapi_stream_that_is_read_again_has_events_of_any_dialect(document: dict[str, Any]) -> None:
    media = document["paths"]["/v1/streams/{stream_id}"]["get"]["responses"]["200"]["content"]["text/event-stream"]

    assert media["itemSchema"] == {"$ref": "#/components/schemas/StreamEvent"}
    assert document["components"]["schemas"]["StreamEvent"]["anyOf"] == [
        {"$ref": f"#/components/schemas/{name}"}
        for name in (
            "ApiChatEvent",
            "ApiChatChatIdStreamEvent",
            "ChatChunkEvent",
            "ChatCompletionChunkEvent",
            "MessageStreamEventEvent",
            "V1ResponsesEvent",
            "TextCompletionEvent",
        )
    ]


@pytest.mark.parametrize("name", ["x-penstock-on-disconnect", "x-penstock-progress"])
def test_openapi_requests_for_streams_have_their_headers(document: dict[str, Any], name: str) -> None:
    found = {
        path
        for path, _, operation in operations(document)
        if any(one["name"] == name for one in operation.get("parameters", ()))
    }

    assert found == {
        "/api/chat",
        "/api/generate",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/messages",
        "/v1/responses",
    }


def test_openapi_event_data_has_a_schema_of_its_own(document: dict[str, Any]) -> None:
    data = document["components"]["schemas"]["ChatChunkData"]["anyOf"]

    assert data == [
        {"$ref": "#/components/schemas/ChatChunk"},
        QUEUE_REPORT,
        {"$ref": "#/components/schemas/ErrorBody"},
        {"const": "[DONE]"},
    ]


def test_openapi_events_of_a_path_with_two_dialects_are_named_by_the_path() -> None:
    def content(name: str) -> dict[str, Any]:
        return {"type": "string", "contentSchema": {"$ref": f"#/components/schemas/{name}"}}

    event = {"type": "object", "properties": {"data": {"anyOf": [content("A"), content("B"), content("ErrorBody")]}}}
    media = {"itemSchema": event}
    operation = {"responses": {"200": {"content": {"text/event-stream": media}}}}
    made: dict[str, Any] = {"components": {"schemas": {}}, "paths": {"/api/chat/{id}": {"get": operation}}}
    name_events(made)

    assert set(made["components"]["schemas"]) == {"ApiChatIdEvent", "ApiChatIdData"}


def test_openapi_responses_have_their_headers(document: dict[str, Any]) -> None:
    required = {"$ref": "#/components/headers/x-request-id"}
    for path, _, operation in operations(document):
        for status_, response in operation["responses"].items():
            assert response["headers"]["x-request-id"] == required, (path, status_)
    chat = document["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert {"x-penstock-ignored", "x-ratelimit-remaining-tokens"} <= set(chat["200"]["headers"])
    assert {"retry-after", "retry-after-ms", "x-should-retry"} <= set(chat["429"]["headers"])
    assert "www-authenticate" in chat["401"]["headers"]


def test_openapi_describes_every_header_that_pages_may_read(document: dict[str, Any]) -> None:
    exposed = {name.strip() for name in EXPOSED.decode().split(",")}
    described = {
        name
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        for name in response["headers"]
    }

    assert described == exposed - {"request-id"}


def test_openapi_path_of_two_dialects_has_both_bodies(document: dict[str, Any]) -> None:
    body = document["paths"]["/api/chat"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert [one["$ref"].rpartition("/")[2] for one in body["anyOf"]] == ["ChatRequest", "UIChatRequest"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_openapi_example_is_valid(name: str) -> None:
    msgspec.convert(EXAMPLES[name], STRUCTS[name])


@pytest.mark.parametrize(
    ("name", "struct"),
    [
        ("ChatChunk", ChatChunk),
        ("ChatCompletionChunk", ChatCompletionChunk),
        ("TextCompletion", TextCompletion),
        ("StartChunk", UIMessageChunk),
    ],
)
def test_openapi_stream_example_is_a_possible_answer(name: str, struct: type) -> None:
    *events, last, rest = STREAMS[name].split("\n\n")

    assert (last, rest) == ("data: [DONE]", "")
    for event in events:
        msgspec.json.decode(event.removeprefix("data: ").encode(), type=struct)


def test_openapi_document_has_an_example_for_every_body_and_no_random_one(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        for holder in (operation.get("requestBody"), operation["responses"]["200"]):
            for media in (holder or {}).get("content", {}).values():
                assert "examples" not in media
                assert path in OPEN_PATHS or "example" in media, path
