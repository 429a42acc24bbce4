"""A request of every endpoint with a body, with most of the fields that its clients send, and its odd variants."""

import json
from collections.abc import Iterator
from typing import Any, Final

_IMAGE: Final = "data:image/png;base64,AAAA"
_SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_MESSAGES: Final[dict[str, Any]] = {
    "model": "main",
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sunny"}]},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ],
        },
    ],
    "tools": [{"name": "weather", "description": "d", "input_schema": _SCHEMA}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}
_RESPONSE: Final[dict[str, Any]] = {
    "model": "main",
    "instructions": "i",
    "input": [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": _IMAGE}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": []}]},
    ],
    "tools": [{"type": "function", "name": "weather", "parameters": _SCHEMA, "strict": False}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "max_output_tokens": 64,
    "metadata": {"a": "b"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
    "truncation": "disabled",
    "user": "u",
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/messages": {**_MESSAGES, "max_tokens": 2048, "stop_sequences": ["x"], "metadata": {"user_id": "u"}},
    "/v1/messages/count_tokens": _MESSAGES,
    "/v1/responses": _RESPONSE,
    "/v1/responses/input_tokens": {"model": "main", "input": "hi", "tools": _RESPONSE["tools"]},
    "/v1/completions": {
        "model": "main",
        "prompt": ["hi"],
        "max_tokens": 5,
        "temperature": 0.5,
        "stop": ["x"],
        "suffix": None,
        "echo": False,
        "n": 1,
        "seed": 1,
    },
    "/v1/chat/completions": {
        "model": "main",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "sunny"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": _SCHEMA}}],
        "tool_choice": "auto",
        "max_tokens": 5,
        "stop": ["x"],
    },
    "/v1/embeddings": {"model": "vectors", "input": ["a"], "encoding_format": "float", "dimensions": 2},
    "/api/chat": {"model": "main", "messages": [{"role": "user", "content": "hi"}]},
    "/api/chat with parts": {
        "model": "main",
        "id": "chat-1",
        "trigger": "submit-message",
        "messages": [
            {"id": "1", "role": "user", "parts": [{"type": "text", "text": "hi"}]},
            {
                "id": "2",
                "role": "assistant",
                "parts": [
                    {"type": "step-start"},
                    {"type": "reasoning", "text": "hm"},
                    {
                        "type": "tool-weather",
                        "toolCallId": "c",
                        "state": "output-available",
                        "input": {"city": "Rome"},
                        "output": {"sky": "sunny"},
                    },
                ],
            },
            {"id": "3", "role": "user", "parts": [{"type": "file", "mediaType": "image/png", "url": _IMAGE}]},
        ],
    },
    "/api/generate": {"model": "main", "prompt": "hi"},
    "/api/embed": {"model": "vectors", "text": "hi"},
}
"""By the path, with a remark where it has two dialects."""
REQUIRED: Final = {
    "/v1/messages": ("model", "messages", "max_tokens"),
    "/v1/messages/count_tokens": ("model", "messages"),
    "/v1/responses": ("model", "input"),
    "/v1/responses/input_tokens": ("model", "input"),
    "/v1/completions": ("model", "prompt"),
    "/v1/chat/completions": ("model", "messages"),
    "/v1/embeddings": ("model", "input"),
    "/api/chat": ("messages",),
    "/api/chat with parts": ("messages",),
    "/api/generate": ("prompt",),
    "/api/embed": ("text",),
}
DISCRIMINATORS: Final = ("type", "role")


def path_of(name: str) -> str:
    return name.partition(" ")[0]


def unknown_kinds(name: str) -> Iterator[tuple[str, str]]:
    """Bodies in which one role or type is of no known kind, with the top-level field that has it."""
    yield from _unknown(BODIES[name], BODIES[name], "")


def _unknown(body: dict[str, Any], value: Any, field: str) -> Iterator[tuple[str, str]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries):
        top = field or str(key)
        if key in DISCRIMINATORS and isinstance(inner, str) and "properties" not in value and inner != "string":
            value[key] = "hologram"
            yield top, json.dumps(body)
            value[key] = inner
        else:
            yield from _unknown(body, inner, top)


def repeated_keys(name: str) -> Iterator[str]:
    """Bodies in which each top-level key is there twice."""
    body = json.dumps(BODIES[name])
    for key, value in BODIES[name].items():
        yield f'{{"{key}": {json.dumps(value)}, {body[1:]}'
