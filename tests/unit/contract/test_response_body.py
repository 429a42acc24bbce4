"""A body of the Responses API and the chat completion that it becomes."""

import json
from typing import Any

import pytest

from penstock_contract.errors import PenstockError
from penstock_contract.openai_responses.body import ResponseBody, read_response
from penstock_contract.openai_responses.names import ignored_name, responses_errors, responses_name

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}


def body(**fields: Any) -> ResponseBody:
    return read_response(json.dumps({"model": "m", "input": "hi", **fields}).encode())


def chat(**fields: Any) -> dict[str, Any]:
    """The chat completion without its model and messages."""
    made = json.loads(body(**fields).chat.operation.body)
    return {name: value for name, value in made.items() if name not in {"model", "messages"}}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "limits": (
        {"max_output_tokens": 5, "temperature": 0.5, "top_p": 0.1},
        {"max_completion_tokens": 5, "temperature": 0.5, "top_p": 0.1},
    ),
    "reasoning": ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
    "json": ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    "a schema": (
        {"text": {"format": SCHEMA, "verbosity": "low"}},
        {
            "verbosity": "low",
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
            },
        },
    ),
    "text": ({"text": {"format": {"type": "text"}}}, {}),
    "tools": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": False},
        {
            "tools": [CHAT_TOOL],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
        },
    ),
    "allowed tools": (
        {
            "tools": [TOOL, {**TOOL, "name": "g"}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        },
        {"tools": [CHAT_TOOL], "tool_choice": "auto"},
    ),
    "a choice without tools": ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}, {}),
    "its own": ({"metadata": {"a": "b"}, "store": False, "truncation": "disabled", "include": []}, {}),
    "passed": (
        {"service_tier": "flex", "user": "u", "prompt_cache_key": "k", "top_k": 3},
        {"service_tier": "flex", "user": "u", "prompt_cache_key": "k", "top_k": 3},
    ),
    "null": ({"temperature": None, "tools": None, "previous_response_id": None, "conversation": None}, {}),
    "a stream": ({"stream": True}, {"stream": True}),
}


@pytest.mark.parametrize("name", CASES)
def test_response_fields_become_those_of_a_chat(name: str) -> None:
    fields, expected = CASES[name]

    assert chat(**fields) == expected


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no input": ({"input": None}, "input"),
    "a hosted tool": ({"tools": [TOOL, {"type": "web_search"}]}, "tools[1]"),
    "a custom tool": ({"tools": [{"type": "custom", "name": "f"}]}, "tools[0]"),
    "a tool without a name": ({"tools": [{"type": "function"}]}, "tools[0].name"),
    "a hosted choice": ({"tools": [TOOL], "tool_choice": {"type": "file_search"}}, "tool_choice"),
    "an unknown choice": ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
    "a choice of nothing": ({"tool_choice": "required"}, "tool_choice"),
    "an allowed tool that is not there": (
        {
            "tools": [TOOL],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "x"}]},
        },
        "tool_choice.tools",
    ),
    "truncation": ({"truncation": "auto"}, "truncation"),
    "a conversation": ({"conversation": {"id": "c"}}, "conversation"),
    "a stored prompt": ({"prompt": {"id": "p"}}, "prompt"),
    "log probabilities": ({"include": ["message.output_text.logprobs"]}, "include[0]"),
    "top log probabilities": ({"top_logprobs": 2}, "top_logprobs"),
    "an unknown include": ({"include": ["x"]}, "include[0]"),
    "background without store": ({"background": True, "store": False}, "background"),
    "a chat's field": ({"max_tokens": 5}, "max_tokens"),
    "messages": ({"messages": [{"role": "user", "content": "x"}]}, "messages"),
    "several answers": ({"n": 2}, "n"),
    "a schema without a name": ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
    "a temperature": ({"temperature": 3}, "temperature"),
    "a limit": ({"max_output_tokens": 0}, "max_output_tokens"),
    "metadata": ({"metadata": {"a": 1}}, "metadata[...]"),
    "a model": ({"model": ""}, "model"),
    "no items": ({"input": []}, "input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_response_field_is_refused_by_name(name: str) -> None:
    fields, param = REFUSED[name]

    with pytest.raises(PenstockError) as raised:
        body(**fields)

    assert (raised.value.code, raised.value.detail.param) == ("invalid_request", param)


def test_response_names_the_hosted_tool_that_is_refused() -> None:
    with pytest.raises(PenstockError, match=r"tools\[0\]: the tool 'web_search' is not available"):
        body(tools=[{"type": "web_search"}])


def test_response_puts_instructions_before_the_input_and_before_earlier_items() -> None:
    read = body(instructions="Be brief.", previous_response_id="resp_1")

    made = json.loads(read.after([{"role": "user", "content": "before"}]).operation.body)

    assert made["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "before"},
        {"role": "user", "content": "hi"},
    ]


def test_response_counts_the_input_of_its_translation() -> None:
    url = "data:image/png;base64," + "A" * 40_000
    part = {"type": "input_image", "image_url": url}

    assert body(input=[{"role": "user", "content": [part]}]).chat.operation.input_tokens < 1000


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("messages[3].content", "input"),
        ("max_completion_tokens", "max_output_tokens"),
        ("response_format.json_schema.schema", "text.format.json_schema.schema"),
        ("temperature", "temperature"),
    ],
)
def test_response_error_names_the_field_that_was_sent(name: str, expected: str) -> None:
    with pytest.raises(PenstockError) as raised, responses_errors():
        raise PenstockError("provider_rejected", f"{name}: bad", param=name)

    assert (raised.value.detail.param, raised.value.detail.message) == (expected, f"{expected}: bad")
    assert responses_name(name) == expected


def test_response_names_ignored_fields_as_they_were_sent() -> None:
    assert ignored_name("messages.reasoning_content") == "input.reasoning_content"
    assert ignored_name("verbosity") == "text.verbosity"
    assert ignored_name("user") == "user"
