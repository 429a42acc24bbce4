"""Requests of Anthropic's Messages API for a provider of OpenAI's: what each part becomes, and what is refused."""

import json
from typing import Any

import msgspec
import pytest
from unit.support.operations import messages

from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.openai.adapter import OpenAIAdapter
from penstock_worker.providers.openai.parser import ChatParser
from penstock_worker.providers.workers_ai.adapter import WorkersAIAdapter

HELLO = {"role": "user", "content": "hello"}
EPHEMERAL = {"type": "ephemeral"}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"name": "now", "description": "the time", "input_schema": {"type": "object", "properties": {}}}
FUNCTION = {"name": "now", "description": "the time", "parameters": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "t1", "name": "now", "input": {"at": "é"}}


def provider(**fields: Any) -> ProviderSpec:
    return msgspec.convert(
        {"name": "p", "type": "OpenAI", "baseURL": "https://vllm.example/v1", **fields}, ProviderSpec
    )


SPEC = provider()
OWN = provider(baseURL=None)


def body(*turns: Any, spec: ProviderSpec = SPEC, **fields: Any) -> Any:
    return json.loads(OpenAIAdapter().request(messages(*turns, **fields), "gpt", spec, None).body)


def sent(*turns: Any, spec: ProviderSpec = SPEC, **fields: Any) -> Any:
    return body(*turns, spec=spec, **fields)["messages"]


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def result(content: Any = "noon", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": content, **more}


def document(**source: Any) -> dict[str, Any]:
    return {"type": "document", "source": source, "title": "T"}


TURNS: dict[str, tuple[list[Any], list[Any]]] = {
    "a text": ([HELLO], [HELLO]),
    "text blocks": ([user(text("a"), text("b", cache_control=EPHEMERAL))], [{"role": "user", "content": "a\n\nb"}]),
    "a picture": ([user(PNG, text("what?"))], [{"role": "user", "content": [PNG_PART, text("what?")]}]),
    "a picture's address": (
        [user({"type": "image", "source": {"type": "url", "url": "https://a/b.png"}})],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}],
    ),
    "a text document": (
        [user(document(type="text", media_type="text/plain", data="long"))],
        [{"role": "user", "content": "T\n\nlong"}],
    ),
    "a document of blocks": (
        [user(document(type="content", content=[text("x"), PNG]))],
        [{"role": "user", "content": [text("T"), text("x"), PNG_PART]}],
    ),
    "a PDF": (
        [user(document(type="base64", media_type="application/pdf", data="JVBE"))],
        [
            {
                "role": "user",
                "content": [
                    {"type": "file", "file": {"filename": "T", "file_data": "data:application/pdf;base64,JVBE"}}
                ],
            }
        ],
    ),
    "a call and its result": (
        [HELLO, assistant(text("let me see"), CALL), user(result())],
        [
            HELLO,
            {
                "role": "assistant",
                "content": "let me see",
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "now", "arguments": '{"at": "é"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "noon"},
        ],
    ),
    "results before the user's text": (
        [user(text("and now"), result(), {**result([text("a"), text("b")]), "tool_use_id": "t2"})],
        [
            {"role": "tool", "tool_call_id": "t1", "content": "noon"},
            {"role": "tool", "tool_call_id": "t2", "content": "a\n\nb"},
            {"role": "user", "content": "and now"},
        ],
    ),
    "a result that is an error": (
        [user(result("no clock", is_error=True), {**result("Error: x", is_error=True), "tool_use_id": "t2"})],
        [
            {"role": "tool", "tool_call_id": "t1", "content": "Error: no clock"},
            {"role": "tool", "tool_call_id": "t2", "content": "Error: x"},
        ],
    ),
    "a result without content": (
        [user({"type": "tool_result", "tool_use_id": "t1"})],
        [{"role": "tool", "tool_call_id": "t1", "content": ""}],
    ),
    "a picture in a result": (
        [user(result([text("see"), PNG]))],
        [
            {
                "role": "tool",
                "tool_call_id": "t1",
                "content": "see\n\nThe result of tool call t1 has 1 attachment(s), which follow in the user's message.",
            },
            {"role": "user", "content": [text("Attachments of the result of tool call t1:"), PNG_PART]},
        ],
    ),
    "thinking of another API's provider goes back": (
        [assistant({"type": "thinking", "thinking": "hm", "signature": "penstock"}, text("a"))],
        [{"role": "assistant", "content": "a", "reasoning_content": "hm"}],
    ),
    "thinking that Anthropic signed does not": (
        [
            assistant(
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "z"},
                text("a"),
            )
        ],
        [{"role": "assistant", "content": "a"}],
    ),
    "a call's own fields go back": (
        [assistant({**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}, "caller": {"type": "direct"}})],
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "t1",
                        "type": "function",
                        "function": {"name": "now", "arguments": '{"at": "é"}'},
                        "extra_content": {"google": {"thought_signature": "c2ln"}},
                    }
                ],
            }
        ],
    ),
    "a system message midway": (
        [HELLO, {"role": "system", "content": [text("be brief")]}],
        [HELLO, {"role": "system", "content": "be brief"}],
    ),
}


@pytest.mark.parametrize("name", TURNS)
def test_messages_translation_of_turns(name: str) -> None:
    turns, expected = TURNS[name]

    assert sent(*turns) == expected


FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "system": (
        {"system": [text("a", cache_control=EPHEMERAL), text("b")]},
        {"messages": [{"role": "system", "content": "a\n\nb"}, HELLO]},
    ),
    "an empty system": ({"system": []}, {"messages": [HELLO]}),
    "the bound": ({}, {"max_tokens": 64}),
    "sampling": (
        {"temperature": 0.5, "top_p": 0.9, "top_k": 40},
        {"temperature": 0.5, "top_p": 0.9, "top_k": 40},
    ),
    "stops": ({"stop_sequences": ["END"]}, {"stop": ["END"]}),
    "the user": ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
    "tools": (
        {"tools": [{**TOOL, "type": "custom", "cache_control": EPHEMERAL}, {**TOOL, "strict": True}]},
        {
            "tools": [
                {"type": "function", "function": FUNCTION},
                {"type": "function", "function": {**FUNCTION, "strict": True}},
            ]
        },
    ),
    "any tool": ({"tools": [TOOL], "tool_choice": {"type": "any"}}, {"tool_choice": "required"}),
    "no tool": ({"tools": [TOOL], "tool_choice": {"type": "none"}}, {"tool_choice": "none"}),
    "one tool, one call": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "now", "disable_parallel_tool_use": True}},
        {"tool_choice": {"type": "function", "function": {"name": "now"}}, "parallel_tool_calls": False},
    ),
    "much thinking": ({"thinking": {"type": "enabled", "budget_tokens": 31_999}}, {"reasoning_effort": "high"}),
    "some thinking": ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, {"reasoning_effort": "medium"}),
    "little thinking": ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning_effort": "low"}),
    "an effort": (
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
        {"reasoning_effort": "high"},
    ),
    "a schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": True},
            }
        },
    ),
    "an older schema": (
        {"output_format": {"type": "json_schema", "schema": {}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": {}, "strict": True}}},
    ),
}
OURS = {"model": "gpt", "stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("name", FIELDS)
def test_messages_translation_of_fields(name: str) -> None:
    fields, expected = FIELDS[name]

    assert body(**fields).items() >= {**expected, **OURS}.items()


@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "disabled"}, None])
def test_messages_translation_leaves_the_effort_to_the_provider(thinking: Any) -> None:
    assert set(body(thinking=thinking)) == {"messages", "max_tokens", *OURS}


def test_messages_translation_names_the_bound_as_openais_own_models_require() -> None:
    assert body(spec=OWN)["max_completion_tokens"] == 64
    assert "max_tokens" not in body(spec=OWN)
    assert body(spec=provider(baseURL=None, maxTokensField="max_tokens"))["max_tokens"] == 64


def test_messages_translation_obeys_the_routes_rules() -> None:
    spec = provider(drop=["thinking", "user"], extraFields={"allow": ["provider"]})
    made = body(
        thinking={"type": "enabled", "budget_tokens": 9}, metadata={"user_id": "u"}, provider={"only": []}, spec=spec
    )

    assert set(made) == {"messages", "max_tokens", "provider", *OURS}


def test_messages_are_parsed_as_a_chat() -> None:
    assert isinstance(OpenAIAdapter().parser(messages()), ChatParser)


def test_messages_reach_workers_ai_without_model_and_options() -> None:
    spec = provider(type="CloudflareWorkersAI")
    made = WorkersAIAdapter().request(messages(system="s"), "@cf/meta/llama", spec, None)

    assert made.path == "/run/@cf/meta/llama"
    assert json.loads(made.body) == {
        "messages": [{"role": "system", "content": "s"}, HELLO],
        "max_tokens": 64,
        "stream": True,
    }
