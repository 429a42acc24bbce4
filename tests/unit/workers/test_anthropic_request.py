"""Requests to Anthropic: the client's conversation in its dialect."""

import json
import re
from typing import Any

import msgspec
import pytest
from unit.support.operations import HELLO, chat, embeddings

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_fields import ANTHROPIC, KNOWN, ignored
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.providers.anthropic.adapter import JSON_ONLY, AnthropicAdapter

SPEC = ProviderSpec(name="anthropic", type="Anthropic")
NEWER = ProviderSpec(name="anthropic", type="Anthropic", anthropic_version="2026-10-21")
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "tells it", "parameters": {"type": "object", "properties": {}}},
}
NOW = {"type": "function", "function": {"name": "now"}}
EPHEMERAL = {"type": "ephemeral"}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def provider(**fields: Any) -> ProviderSpec:
    return msgspec.convert({"name": "p", "type": "Anthropic", **fields}, ProviderSpec)


def request(*messages: Any, key: str | None = None, spec: ProviderSpec = SPEC, **fields: Any) -> HttpRequest:
    return AnthropicAdapter().request(chat(*messages, **fields), "claude", spec, key)


def body(*messages: Any, spec: ProviderSpec = SPEC, **fields: Any) -> Any:
    return json.loads(request(*messages, spec=spec, **fields).body)


def turns(*messages: dict[str, Any]) -> Any:
    return body(*messages)["messages"]


def refused(*messages: dict[str, Any], spec: ProviderSpec = SPEC, **fields: Any) -> PenstockError:
    with pytest.raises(PenstockError) as error:
        request(*messages, spec=spec, **fields)
    return error.value


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


def test_anthropic_request_moves_system_text_to_the_top_level() -> None:
    sent = body(
        {"role": "system", "content": "be brief"},
        HELLO,
        {"role": "developer", "content": [text("be kind")]},
    )

    assert sent["system"] == "be brief\n\nbe kind"
    assert sent["messages"] == [{"role": "user", "content": [text("hello")]}]


def test_anthropic_request_joins_consecutive_messages_of_one_role() -> None:
    assert turns(HELLO, {"role": "user", "content": "again"}, {"role": "assistant", "content": "hi"}) == [
        {"role": "user", "content": [text("hello"), text("again")]},
        {"role": "assistant", "content": [text("hi")]},
    ]


def test_anthropic_request_omits_a_message_without_content() -> None:
    assert turns(HELLO, {"role": "assistant", "content": ""}, {"role": "user", "content": "again"}) == [
        {"role": "user", "content": [text("hello"), text("again")]}
    ]


def test_anthropic_request_sends_an_inline_image_as_base64() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

    assert turns({"role": "user", "content": [text("what?"), part]})[0]["content"] == [
        text("what?"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
    ]


def test_anthropic_request_sends_a_remote_image_as_its_address() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}

    assert turns({"role": "user", "content": [part]})[0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    ]


def test_anthropic_request_rejects_any_other_image_as_invalid() -> None:
    error = refused({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,AA"}}]})

    assert (error.code, error.detail.param) == ("invalid_request", "messages[0].content[0].image_url.url")


def test_anthropic_request_sends_a_refusal_beside_the_content_as_text() -> None:
    assert turns(HELLO, {"role": "assistant", "content": None, "refusal": "no"})[1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "no"}],
    }


def test_anthropic_request_leaves_out_thoughts_of_other_providers() -> None:
    assert turns(HELLO, {"role": "assistant", "content": "Hi", "reasoning_content": "hm"})[1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi"}],
    }


def test_anthropic_request_sends_a_refusal_as_text() -> None:
    assert turns(HELLO, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]})[1] == {
        "role": "assistant",
        "content": [text("no")],
    }


CALL = {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}


def test_anthropic_request_sends_tool_calls_and_results_as_blocks() -> None:
    assert turns(
        HELLO,
        {"role": "assistant", "content": "let me see", "tool_calls": [CALL, {**CALL, "id": "call_b"}]},
        {"role": "tool", "content": "rain", "tool_call_id": "call_a"},
        {"role": "tool", "content": [text("su"), text("n")], "tool_call_id": "call_b"},
        {"role": "user", "content": "and now?"},
    )[1:] == [
        {
            "role": "assistant",
            "content": [
                text("let me see"),
                {"type": "tool_use", "id": "call_a", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "call_b", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_a", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "call_b", "content": "sun"},
                text("and now?"),
            ],
        },
    ]


def test_anthropic_request_gives_a_tool_call_without_arguments_an_empty_input() -> None:
    call = {**CALL, "function": {"name": "now", "arguments": ""}}

    assert turns(HELLO, {"role": "assistant", "tool_calls": [call]})[1]["content"][0]["input"] == {}


@pytest.mark.parametrize("arguments", ['{"city":', "[1]", '"Oslo"', "\\"])
def test_anthropic_request_rejects_arguments_that_are_no_json_object(arguments: str) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}

    error = refused(HELLO, {"role": "assistant", "tool_calls": [call]})

    param = "messages[1].tool_calls[0].function.arguments"
    assert (error.code, error.detail.param) == ("invalid_request", param)
    assert "Oslo" not in error.detail.message


def test_anthropic_request_gives_tools_an_input_schema() -> None:
    assert body(tools=[WEATHER, NOW])["tools"] == [
        {"name": "weather", "description": "tells it", "input_schema": {"type": "object", "properties": {}}},
        {"name": "now", "input_schema": {"type": "object"}},
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "theirs"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("none", None, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, None, {"type": "tool", "name": "weather"}),
        (None, True, {"type": "auto"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
    ],
)
def test_anthropic_request_translates_a_tool_choice(
    choice: Any, parallel: bool | None, theirs: dict[str, Any] | None
) -> None:
    sent = body(tools=[WEATHER], tool_choice=choice, parallel_tool_calls=parallel)

    assert sent.get("tool_choice") == theirs


def test_anthropic_request_without_tools_has_no_tool_choice() -> None:
    assert body(tool_choice="auto", parallel_tool_calls=False) == body()


def test_anthropic_request_rejects_embeddings_as_unsupported() -> None:
    with pytest.raises(PenstockError) as error:
        AnthropicAdapter().request(embeddings("a"), "claude", SPEC, None)

    assert error.value.code == "unsupported_by_provider"


# Structured output


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


# What Anthropic refuses, and what goes back to it


def test_anthropic_request_omits_blank_texts() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert [
        block["type"] for block in turns({"role": "user", "content": [text(""), text(" \n"), picture]})[0]["content"]
    ] == ["image"]
    call = {"role": "assistant", "content": [text("")], "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_a", "content": ""}
    sent = turns(HELLO, call, result)
    assert [block["type"] for block in sent[1]["content"]] == ["tool_use"]
    assert sent[2]["content"] == [{"type": "tool_result", "tool_use_id": "call_a"}]


def test_anthropic_request_sends_a_lone_system_message_as_the_users_turn() -> None:
    sent = body({"role": "system", "content": "Say hi."})

    assert sent["messages"] == [{"role": "user", "content": [text("Say hi.")]}]
    assert "system" not in sent


def test_anthropic_request_rejects_a_conversation_without_text() -> None:
    error = refused({"role": "user", "content": ""})

    assert (error.code, error.detail.param) == ("invalid_request", "messages")


def test_anthropic_request_begins_an_assistants_conversation_with_a_users_turn() -> None:
    assert [turn["role"] for turn in turns({"role": "assistant", "content": "Hi"}, HELLO)] == [
        "user",
        "assistant",
        "user",
    ]


def test_anthropic_request_trims_white_space_after_the_assistants_last_turn() -> None:
    assert turns(HELLO, {"role": "assistant", "content": "The answer is \n"})[1]["content"] == [text("The answer is")]


@pytest.mark.parametrize("good", ["toolu_01A", "call-1", "a" * 64])
def test_anthropic_request_keeps_a_valid_tool_id(good: str) -> None:
    assert ids_of(good)[0] == good


def ids_of(*ids: str) -> list[str]:
    calls = [{**CALL, "id": id_} for id_ in ids]
    results = [{"role": "tool", "tool_call_id": id_, "content": "r"} for id_ in ids]
    sent = turns(HELLO, {"role": "assistant", "tool_calls": calls}, *results)
    asked = [block["id"] for block in sent[1]["content"]]
    assert [block["tool_use_id"] for block in sent[2]["content"]] == asked
    return asked


@pytest.mark.parametrize("ids", [("functions.clock:0",), ("a.b", "a:b"), ("", ""), ("é" * 100,), ("a" * 65, "a" * 66)])
def test_anthropic_request_rewrites_an_invalid_tool_id_equally_in_call_and_result(ids: tuple[str, ...]) -> None:
    made = ids_of(*ids)

    assert len(set(made)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in made)
    assert ids_of(*ids) == made


def test_anthropic_request_passes_cache_marks_on() -> None:
    sent = body(
        {"role": "system", "content": [{**text("long"), "cache_control": EPHEMERAL}, text("short")]},
        {"role": "user", "content": [{**text("hi"), "cache_control": EPHEMERAL}]},
        tools=[{**WEATHER, "cache_control": EPHEMERAL}],
    )

    assert sent["system"] == [{**text("long"), "cache_control": EPHEMERAL}, text("short")]
    assert sent["messages"][0]["content"] == [{**text("hi"), "cache_control": EPHEMERAL}]
    assert sent["tools"][0]["cache_control"] == EPHEMERAL


def test_anthropic_request_returns_thinking_with_its_signature() -> None:
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "b3BhcXVl"},
        {"type": "reasoning.text", "text": "without"},
        {"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1"},
    ]

    assert turns(HELLO, {"role": "assistant", "content": "Hi", "reasoning_details": details})[1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        text("Hi"),
    ]


def test_anthropic_request_sends_an_image_in_a_tool_result_as_an_image() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    sent = turns(
        HELLO,
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_a", "content": [text("see"), picture]},
    )

    assert sent[2]["content"][0]["content"] == [
        text("see"),
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]


@pytest.mark.parametrize("data", ["JVBERi0=", "data:application/pdf;base64,JVBERi0="])
def test_anthropic_request_sends_a_pdf_as_a_document(data: str) -> None:
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": data}}

    assert turns({"role": "user", "content": [part]})[0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "a.pdf",
        }
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,AA=="}},
        {"type": "a-type-of-tomorrow"},
    ],
)
def test_anthropic_request_rejects_unsupported_parts_by_path(part: dict[str, Any]) -> None:
    error = refused({"role": "user", "content": [text("hi"), part]})

    assert error.code == "unsupported_by_provider"
    assert (error.detail.param or "").startswith("messages[0].content[1]")


@pytest.mark.parametrize("arguments", [None, {"city": "Oslo"}])
def test_anthropic_request_accepts_empty_and_object_arguments(arguments: Any) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}

    assert turns(HELLO, {"role": "assistant", "tool_calls": [call]})[1]["content"][0]["input"] == (arguments or {})


def test_anthropic_request_gives_a_tool_schema_a_type_and_keeps_integers_of_any_size() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"maximum": 2**256 - 1}}}

    assert body(tools=[tool])["tools"] == [
        {"name": "f", "strict": True, "input_schema": {"type": "object", "maximum": 2**256 - 1}}
    ]
