"""Requests to OpenAI and compatible servers: the client's bytes, with the fields that Penstock sets."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from unit.support.operations import HELLO, chat, embeddings
from unit.support.structs import JSON

from penstock_contract.errors import PenstockError
from penstock_contract.request.chat_body import read_chat
from penstock_contract.request.chat_fields import check_names
from penstock_contract.request.json_body import HALF
from penstock_contract.request.operations import Operation
from penstock_contract.route.provider import ExtraFieldsSpec, ProviderSpec
from penstock_worker.providers.openai.adapter import OpenAIAdapter
from penstock_worker.providers.openai.embeddings_parser import EmbeddingsParser
from penstock_worker.providers.openai.parser import ChatParser

COMPATIBLE = ProviderSpec(name="vllm", type="OpenAI", base_url="http://vllm:8000/v1")
OPENAI = ProviderSpec(name="openai", type="OpenAI")
OURS = {"model": "model", "stream": True, "stream_options": {"include_usage": True}}


def raw(operation: Operation, spec: ProviderSpec = COMPATIBLE) -> bytes:
    return OpenAIAdapter().request(operation, "model", spec, None).body


def body(operation: Operation, spec: ProviderSpec = COMPATIBLE) -> Any:
    return json.loads(raw(operation, spec))


def provider(**fields: Any) -> ProviderSpec:
    return msgspec.convert({"name": "p", "type": "OpenAI", **fields}, ProviderSpec)


def test_openai_request_of_a_plain_chat_adds_only_required_fields() -> None:
    assert body(chat()) == {**OURS, "messages": [HELLO]}


def test_openai_request_sends_chats_to_chat_completions_and_texts_to_embeddings() -> None:
    adapter = OpenAIAdapter()

    assert adapter.request(chat(), "m", COMPATIBLE, None).path == "/chat/completions"
    assert adapter.request(embeddings("a"), "m", COMPATIBLE, None).path == "/embeddings"


def test_openai_request_sends_the_key_as_a_bearer_token() -> None:
    request = OpenAIAdapter().request(chat(), "m", COMPATIBLE, "sk-1")

    assert request.headers == {"authorization": "Bearer sk-1"}
    assert b"sk-1" not in request.body


def test_openai_request_sends_the_key_in_the_header_of_the_route() -> None:
    request = OpenAIAdapter().request(chat(), "m", provider(keyHeader="api-key"), "sk-1")

    assert request.headers == {"api-key": "sk-1"}


def test_openai_request_without_a_key_has_no_authorization() -> None:
    assert OpenAIAdapter().request(chat(), "m", COMPATIBLE, None).headers == {}


FIELDS: dict[str, Any] = {
    "temperature": 0.0,
    "top_p": 0.5,
    "stop": ["a", "b"],
    "seed": 7,
    "frequency_penalty": -1.0,
    "presence_penalty": 1.0,
    "logit_bias": {"50256": -100.0},
    "parallel_tool_calls": False,
    "reasoning_effort": {"effort": "low"},
    "verbosity": "low",
    "service_tier": "flex",
    "metadata": {"a": "b"},
    "prompt_cache_key": "k",
    "user": "u",
    "top_k": 10**30,
    "thinking": {"type": "enabled"},
    "chat_template_kwargs": {"enable_thinking": False},
    "response_format": {"type": "json_object", "schema": {"enum": ["Paris"]}},
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"maximum": 2**256 - 1}},
            "cache_control": {"a": 1},
        },
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    "modalities": ["image", "text"],
    "web_search_options": {},
    "seed_of_tomorrow": [None, 1.50, {"a": "\u6f22"}],
    "nothing": None,
}


@pytest.mark.parametrize("name", FIELDS)
def test_openai_request_passes_every_field_on_unchanged(name: str) -> None:
    assert body(chat(**{name: FIELDS[name]})) == {**OURS, "messages": [HELLO], name: FIELDS[name]}


@given(value=JSON, nested=JSON)
def test_openai_request_passes_nested_and_unknown_fields_on_unchanged(value: Any, nested: Any) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "hi", "x": nested}], "y": value}
    client = {"model": "m", "messages": [message], "unknown": value}
    text = json.dumps(client).encode()
    assume(HALF.search(text) is None)
    operation = read_chat(text).operation
    assert body(operation) == {**client, **OURS}


MESSAGES: list[dict[str, Any]] = [
    {"role": "developer", "content": "be brief"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is it?", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low", "format": "png"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "r1"}],
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "f", "arguments": None},
                "extra_content": {"google": {"thought_signature": "c2lnLTE="}},
            }
        ],
    },
    {"role": "tool", "content": "42", "tool_call_id": "a"},
    {"role": "assistant", "content": "Hi", "refusal": "no", "reasoning_content": "hm", "prefix": True},
]


def test_openai_request_passes_a_conversation_on_unchanged() -> None:
    assert body(chat(*MESSAGES))["messages"] == MESSAGES


def test_openai_request_to_openais_hosts_omits_other_providers_message_fields() -> None:
    sent = body(chat(*MESSAGES), OPENAI)["messages"]

    assert "cache_control" not in sent[1]["content"][0]
    assert sent[1]["content"][1:] == MESSAGES[1]["content"][1:]
    assert "reasoning_details" not in sent[2]
    assert sent[2]["tool_calls"] == [{"id": "a", "type": "function", "function": {"name": "f", "arguments": None}}]
    assert "reasoning_content" not in sent[4]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("spec", [COMPATIBLE, OPENAI], ids=["compatible", "openai"])
def test_openai_request_keeps_the_clients_name_of_the_token_bound(name: str, spec: ProviderSpec) -> None:
    sent = body(chat(**{name: 9}), spec)

    assert sent[name] == 9
    assert len({"max_tokens", "max_completion_tokens"} & set(sent)) == 1


@pytest.mark.parametrize("theirs", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_openai_request_uses_the_routes_name_of_the_token_bound(name: str, theirs: str) -> None:
    sent = body(chat(**{name: 9}), provider(maxTokensField=theirs))

    assert sent[theirs] == 9
    assert len({"max_tokens", "max_completion_tokens"} & set(sent)) == 1


def test_openai_request_without_a_token_bound_has_no_such_field() -> None:
    for fields in ({}, {"max_tokens": -1}, {"max_completion_tokens": -1}):
        for spec in (OPENAI, provider(maxTokensField="max_tokens")):
            assert not {"max_tokens", "max_completion_tokens"} & set(body(chat(**fields), spec))


def test_openai_request_sends_an_integer_written_as_a_float_as_an_integer() -> None:
    sent = raw(
        read_chat(b'{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":64.0,"n":1.0}').operation
    )

    assert b'"max_tokens":64,' in sent
    assert b'"n":1,' in sent


def test_openai_request_keeps_stream_options_and_requests_the_usage() -> None:
    sent = body(chat(stream_options={"include_usage": False, "include_obfuscation": False}))

    assert sent["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert body(chat(stream_options=None))["stream_options"] == {"include_usage": True}


def test_openai_request_has_penstocks_fields_last_and_once() -> None:
    sent = raw(
        read_chat(b'{"model":"a","messages":[{"role":"user","content":"a"}],"stream":false,"model":"b"}').operation
    )

    assert sent.endswith(b'"model":"model","stream":true,"stream_options":{"include_usage":true}}')
    assert sent.count(b'"model":') == 1


def test_openai_request_of_embeddings_keeps_the_clients_fields() -> None:
    for given_ in ("a", ["a", "b"], [1, 2], [[1], [2]]):
        fields = {"dimensions": 3, "input_type": "query", "truncate": "END", "user": "u"}
        sent = body(embeddings(given_, encoding_format="base64", **fields))
        assert sent == {"model": "model", "input": given_, **fields}


def test_openai_adapter_chooses_the_parser_by_operation() -> None:
    adapter = OpenAIAdapter()

    assert isinstance(adapter.parser(chat()), ChatParser)
    assert isinstance(adapter.parser(embeddings("a")), EmbeddingsParser)


# Unknown fields

STEERING = [
    "models",
    "route",
    "fallbacks",
    "provider",
    "api_base",
    "base_url",
    "api_key",
    "user_config",
    "extra_headers",
    "extra_body",
    "API_BASE",
    "Models",
    "litellm_anything",
    "timeout",
    "plugins",
    "best_of",
]


@pytest.mark.parametrize("name", STEERING)
def test_openai_request_rejects_a_field_that_controls_the_provider_unless_allowed(name: str) -> None:
    with pytest.raises(PenstockError) as refused:
        body(chat(**{name: ["x"]}))
    assert (refused.value.code, refused.value.detail.param) == ("invalid_request", name)
    with pytest.raises(PenstockError):
        check_names([name], [COMPATIBLE])

    allowing = provider(extraFields={"allow": [name]})
    assert body(chat(**{name: ["x"]}), allowing)[name] == ["x"]
    check_names([name], [COMPATIBLE, allowing])


def test_openai_request_passes_drops_or_rejects_unknown_fields_by_mode() -> None:
    assert body(chat(x=1), provider(extraFields={"mode": "Pass"}))["x"] == 1
    assert "x" not in body(chat(x=1), provider(extraFields={"mode": "Drop"}))
    assert body(chat(x=1), provider(extraFields={"mode": "Drop", "allow": ["x"]}))["x"] == 1
    with pytest.raises(PenstockError) as refused:
        body(chat(x=1), provider(extraFields={"mode": "Refuse"}))
    assert refused.value.detail.param == "x"


def test_openai_request_omits_a_field_that_the_route_drops() -> None:
    assert "seed" not in body(chat(seed=7), provider(drop=["seed"]))


@pytest.mark.parametrize("name", ["Model", "MODEL", "Messages", "N", "tool\u017f", "Stream"])
def test_openai_request_rejects_a_name_that_differs_by_case_only(name: str) -> None:
    with pytest.raises(PenstockError) as refused:
        check_names([name], [provider(extraFields={"mode": "Pass"})])
    assert refused.value.code == "invalid_request"


def test_openai_request_extra_fields_have_a_safe_default() -> None:
    assert ExtraFieldsSpec() == ExtraFieldsSpec(mode="Pass", allow=[])
