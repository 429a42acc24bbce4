"""The streams of the OpenAPI document: their events, headers and examples."""

from typing import Any

import msgspec
import pytest
from unit.support.openapi import operations, served

from penstock_contract.ai_sdk.ui_chunks import UIMessageChunk
from penstock_contract.endpoint_responses import (
    ChatChunk,
    ChatCompletionChunk,
    TextCompletion,
)
from penstock_gateway.api.openapi.document import QUEUE_REPORT
from penstock_gateway.api.openapi.examples import STREAMS
from penstock_gateway.api.openapi.streams import name_events


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return served()


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
