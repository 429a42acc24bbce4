"""The OpenAPI document describes the behaviour of the gateway to generators and validators."""

from typing import Any

import msgspec
import pytest
from unit.support.openapi import operations, references, served

from penstock_contract.ai_sdk.ui_message import UIChatRequest
from penstock_contract.anthropic.errors import MessagesErrorBody
from penstock_contract.anthropic.requests import CountTokensRequest, MessagesRequest
from penstock_contract.anthropic.responses import MessageResponse, TokensCount
from penstock_contract.endpoint_responses import (
    ChatCompletion,
    EmbeddingsResponse,
    EmbedResponse,
    Model,
    ModelList,
    StoppedStream,
    StreamUsage,
    TextCompletion,
)
from penstock_contract.errors import ErrorBody
from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.openai_responses.response import (
    DeletedResponse,
    InputItems,
    InputTokensCount,
    ResponseObject,
)
from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatRequest,
    CompletionRequest,
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
)
from penstock_gateway.access.authentication import OPEN_PATHS
from penstock_gateway.api.openapi.document import INTERNAL
from penstock_gateway.api.openapi.examples import EXAMPLES
from penstock_gateway.api.openapi.property_descriptions import OF_SCHEMA
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
        StreamUsage,
        TokensCount,
        TextCompletion,
        UIChatRequest,
    )
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return served()


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


def test_openapi_document_has_an_example_for_every_body_and_no_random_one(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        for holder in (operation.get("requestBody"), operation["responses"]["200"]):
            for media in (holder or {}).get("content", {}).values():
                assert "examples" not in media
                assert path in OPEN_PATHS or "example" in media, path


def test_openapi_every_property_has_a_description(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    missing = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, value in schema.get("properties", {}).items()
        if not value.get("description")
    ]
    assert missing == []


def test_openapi_document_has_no_internal_type(document: dict[str, Any]) -> None:
    assert INTERNAL & document["components"]["schemas"].keys() == set()


def test_openapi_descriptions_are_of_properties_that_exist(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    unknown = [
        f"{name}.{field}"
        for name, fields in OF_SCHEMA.items()
        for field in fields
        if field not in schemas.get(name, {}).get("properties", {})
    ]
    assert unknown == []
