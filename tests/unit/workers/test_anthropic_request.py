"""Requests to Anthropic: headers, parameters, output formats."""

from typing import Any

import msgspec
import pytest
from unit.support.anthropic_requests import EPHEMERAL, SPEC, WEATHER, body, refused, request, text
from unit.support.operations import embeddings

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_fields import ANTHROPIC, KNOWN, ignored
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.anthropic.adapter import JSON_ONLY, AnthropicAdapter

NEWER = ProviderSpec(name="anthropic", type="Anthropic", anthropic_version="2026-10-21")


def provider(**fields: Any) -> ProviderSpec:
    return msgspec.convert({"name": "p", "type": "Anthropic", **fields}, ProviderSpec)


def test_anthropic_request_has_the_required_token_bound() -> None:
    assert body() == {
        "model": "claude",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [text("hello")]}],
        "stream": True,
    }


def test_anthropic_request_has_version_and_key_as_headers() -> None:
    sent = request(key="sk-ant")

    assert sent.path == "/messages"
    assert sent.headers == {"anthropic-version": "2023-06-01", "x-api-key": "sk-ant"}
    assert b"sk-ant" not in sent.body


def test_anthropic_request_without_a_key_has_no_key_header() -> None:
    assert "x-api-key" not in request().headers


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"max_tokens": 7, "max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"max_tokens": -1}, {"max_tokens": 4096}),
        ({"top_k": 5}, {"top_k": 5}),
        ({"temperature": 1, "top_p": 1}, {"temperature": 1}),
        ({"stop": ["", "\n", "END"]}, {"stop_sequences": ["END"]}),
        ({"stop": ["\n"]}, {}),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, {"thinking": {"type": "enabled", "budget_tokens": 9}}),
        ({"cache_control": EPHEMERAL}, {"cache_control": EPHEMERAL}),
        ({"reasoning_effort": "low"}, {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}}),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}}),
        ({"reasoning_effort": "xhigh"}, {"output_config": {"effort": "max"}, "thinking": {"type": "adaptive"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (
            {"reasoning_effort": "high", "temperature": 0.5},
            {"output_config": {"effort": "high"}, "temperature": 0.5},
        ),
        ({"modalities": ["text"]}, {}),
        ({"logprobs": False}, {}),
        ({"n": 1}, {}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"stop": "a"}, {"stop_sequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"response_format": {"type": "text"}}, {}),
    ],
    ids=lambda value: next(iter(value), "nothing"),
)
def test_anthropic_request_translates_a_parameter(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert body(**ours) == {**body(), **theirs}


VALUES: dict[str, Any] = {"seed": 7, "metadata": {"a": "b"}, "logit_bias": {"1": 1.0}, "store": True}


@pytest.mark.parametrize("name", [name for name, what in ANTHROPIC.items() if what == "ignored"])
def test_anthropic_request_omits_and_lists_a_field_that_the_table_ignores(name: str) -> None:
    fields = {name: VALUES.get(name, 1.0 if name.endswith("penalty") else "x")}

    assert body(**fields) == body()
    assert ignored(fields, SPEC) == [name]


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_anthropic_request_ignores_a_field_only_by_the_table(name: str) -> None:
    assert (ignored([name], SPEC) == [name]) is (ANTHROPIC[name] == "ignored")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 1.7}, "temperature"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"chat_template_kwargs": {"a": 1}}, "chat_template_kwargs"),
        ({"tools": [WEATHER, {"type": "custom", "custom": {"name": "c"}}]}, "tools[1]"),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"reasoning_effort": "a lot"}, "reasoning_effort"),
        ({"reasoning_effort": {"effort": "low"}}, "reasoning_effort"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_anthropic_request_rejects_unsupported_fields_as_unsupported(fields: dict[str, Any], param: str) -> None:
    error = refused(**fields)

    assert (error.code, error.detail.param) == ("unsupported_by_provider", param)


def test_anthropic_request_drops_or_allows_unsupported_fields_as_the_route_configures() -> None:
    dropping = provider(extraFields={"mode": "Drop"}, drop=["temperature"])
    assert body(spec=dropping, chat_template_kwargs={}, temperature=2) == body()
    assert ignored(["chat_template_kwargs", "temperature", "messages"], dropping) == [
        "chat_template_kwargs",
        "temperature",
    ]
    assert body(spec=provider(extraFields={"allow": ["inference_geo"]}), inference_geo="eu")["inference_geo"] == "eu"


@pytest.mark.parametrize("fields", [{"temperature": 1}, {"top_p": 1}, {"temperature": 1, "top_p": 1.0}])
def test_anthropic_request_of_the_newer_version_omits_default_sampling(fields: dict[str, Any]) -> None:
    assert body(spec=NEWER, **fields) == body()


@pytest.mark.parametrize("fields", [{"temperature": 0}, {"top_p": 0.5}, {"top_k": 5}])
def test_anthropic_request_of_the_newer_version_rejects_sampling(fields: dict[str, Any]) -> None:
    error = refused(spec=NEWER, **fields)

    assert (error.code, error.detail.param) == ("unsupported_by_provider", next(iter(fields)))


def test_anthropic_request_has_the_routes_version_key_header_and_bound() -> None:
    spec = provider(anthropicVersion="2026-10-21", keyHeader="authorization", defaultMaxTokens=64_000)

    assert request(key="sk", spec=spec).headers == {"anthropic-version": "2026-10-21", "authorization": "Bearer sk"}
    assert body(spec=spec)["max_tokens"] == 64_000


def test_anthropic_request_rejects_embeddings_as_unsupported() -> None:
    with pytest.raises(PenstockError) as error:
        AnthropicAdapter().request(embeddings("a"), "claude", SPEC, None)

    assert error.value.code == "unsupported_by_provider"


def test_anthropic_request_sends_a_json_schema_as_output_format_with_closed_objects() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 1, "description": "a place"},
            "wei": {"type": "integer", "maximum": 2**256 - 1},
            "many": {"type": "array", "items": {"type": "object", "properties": {}}},
            "one": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/o"}]},
        },
        "$defs": {"o": {"type": "object", "properties": {"minimum": {"type": "number"}}}},
        "required": ["city"],
    }
    sent = body(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}})

    assert sent["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "a place\n\nminLength: 1"},
                    "wei": {"type": "integer", "description": f"maximum: {2**256 - 1}"},
                    "many": {
                        "type": "array",
                        "items": {"type": "object", "properties": {}, "additionalProperties": False},
                    },
                    "one": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/o"}]},
                },
                "$defs": {
                    "o": {
                        "type": "object",
                        "properties": {"minimum": {"type": "number"}},
                        "additionalProperties": False,
                    }
                },
                "required": ["city"],
                "additionalProperties": False,
            },
        }
    }


def test_anthropic_request_asks_for_a_json_object_by_text_or_schema() -> None:
    assert body(response_format={"type": "json_object"})["system"] == JSON_ONLY
    with_schema = body(response_format={"type": "json_object", "schema": {"type": "object"}})
    assert with_schema["output_config"]["format"]["schema"] == {"type": "object", "additionalProperties": False}
    assert "system" not in with_schema


def test_anthropic_request_rejects_a_json_schema_format_without_a_schema() -> None:
    error = refused(response_format={"type": "json_schema", "json_schema": {"name": "a"}})

    assert (error.code, error.detail.param) == ("invalid_request", "response_format.json_schema.schema")
