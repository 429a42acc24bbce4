"""Requests of clients from public bug reports, and what of each the provider must be sent."""

from typing import Any

from harness.provider_cases.answers import SIGNATURE

UINT256 = 2**256 - 1
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
SCHEMA = {"type": "object", "properties": {"wei": {"type": "integer", "maximum": UINT256}}}
CLOCK = {"id": "functions.clock:0", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts) if parts else "hi"}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def tool(**more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "send", "parameters": SCHEMA}, **more}


HISTORY = [
    user(),
    {"role": "assistant", "content": None, "tool_calls": [{**CLOCK, "id": "p1", "extra_content": SIGNATURE}]},
    {"role": "tool", "tool_call_id": "p1", "content": "r"},
]
SENT: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "2 a thought signature": (
        "Google's page on thought signatures; securo #884",
        "OpenAI",
        {"messages": HISTORY},
        {"messages": HISTORY},
    ),
    "3 a schema beyond 64 bits": (
        "RFC 8259 §6: a JSON number has no bound; grpcmcp PR #5",
        "OpenAI",
        {"tools": [tool()], "top_k": 10**20},
        {"tools": [tool()], "top_k": 10**20},
    ),
    "3 a schema beyond 64 bits to Anthropic": (
        "RFC 8259 §6: a JSON number has no bound; llama.cpp PR #16626",
        "Anthropic",
        {"tools": [tool()]},
        {"tools": [{"name": "send", "input_schema": SCHEMA}]},
    ),
    "10 max_completion_tokens": (
        "OpenAI's reference: max_tokens is refused by o-series models; Pulse PR #1867, litellm #13432",
        "OpenAI",
        {"max_completion_tokens": 64},
        {"max_completion_tokens": 64},
    ),
    "11 a bound as a float": (
        "OpenAI's reference: an integer; litellm #1854",
        "OpenAI",
        {"max_tokens": 64.0},
        {"max_tokens": 64},
    ),
    "16 an empty part beside a picture": (
        "Anthropic: text content blocks must be non-empty; experiential PR #799",
        "Anthropic",
        {"messages": [user(text(""), PICTURE)]},
        {"messages": [{"role": "user", "content": [PNG]}]},
    ),
    "16 an empty part beside calls": (
        "Anthropic: text content blocks must be non-empty; hermes-agent PR #11929",
        "Anthropic",
        {"messages": [user(), {"role": "assistant", "content": [text("")], "tool_calls": [{**CLOCK, "id": "a"}]}]},
        {
            "messages": [
                {"role": "user", "content": [text("hi")]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "clock", "input": {}}]},
            ]
        },
    ),
    "22 cache_control to a compatible server": (
        "OpenRouter's page on prompt caching; bifrost #3942",
        "OpenAI",
        {"messages": [user(text("long", **EPHEMERAL))], "tools": [tool(**EPHEMERAL)]},
        {"messages": [user(text("long", **EPHEMERAL))], "tools": [tool(**EPHEMERAL)]},
    ),
    "22 cache_control to Anthropic": (
        "Anthropic's page on prompt caching; agentgateway #2628",
        "Anthropic",
        {"messages": [user(text("long", **EPHEMERAL))], "tools": [tool(**EPHEMERAL)]},
        {
            "messages": [{"role": "user", "content": [text("long", **EPHEMERAL)]}],
            "tools": [{"name": "send", "input_schema": SCHEMA, **EPHEMERAL}],
        },
    ),
    "25 a system message only": (
        "Anthropic: messages must not be empty; litellm PR #3019",
        "Anthropic",
        {"messages": [{"role": "system", "content": "Say hi."}]},
        {"messages": [{"role": "user", "content": [text("Say hi.")]}]},
    ),
    "25 blank stops": (
        "Anthropic: stop sequences must contain non-whitespace; litellm #3286",
        "Anthropic",
        {"stop": ["", "\n", "END"]},
        {"stop_sequences": ["END"]},
    ),
    "end a schema without a type": (
        "Anthropic's Tool.input_schema: type is required",
        "Anthropic",
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}]},
        {"tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]},
    ),
    "end a last assistant turn that ends in a blank": (
        "Anthropic: final assistant content cannot end with trailing whitespace",
        "Anthropic",
        {"messages": [user(), {"role": "assistant", "content": "So: "}]},
        {"messages": [{"role": "user", "content": [text("hi")]}, {"role": "assistant", "content": [text("So:")]}]},
    ),
    "end temperature beside top_p at its default": (
        "Anthropic's newer models refuse both; 1 is the default of top_p",
        "Anthropic",
        {"temperature": 0.5, "top_p": 1},
        {"temperature": 0.5, "top_p": None},
    ),
    "end include_usage null": (
        "OpenAI's ChatCompletionStreamOptionsParam",
        "OpenAI",
        {"stream_options": {"include_usage": None}},
        {"stream_options": {"include_usage": True}},
    ),
    "end arguments null": (
        "provider_cases.md, end: clients send null for a call without arguments",
        "Anthropic",
        {
            "messages": [
                user(),
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": None}}],
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [text("hi")]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            ]
        },
    ),
    "end reasoning_effort of another type": (
        "the provider's to judge: passed byte for byte",
        "OpenAI",
        {"reasoning_effort": {"effort": "low"}},
        {"reasoning_effort": {"effort": "low"}},
    ),
    "end, clients 4 a schema beside json_object": (
        "llama.cpp's and Together's response_format.schema",
        "OpenAI",
        {"response_format": {"type": "json_object", "schema": {"enum": ["Paris"]}}},
        {"response_format": {"type": "json_object", "schema": {"enum": ["Paris"]}}},
    ),
    "end, clients 4 a prefix": (
        "Mistral's and DeepSeek's prefix of the last assistant message",
        "OpenAI",
        {"messages": [user(), {"role": "assistant", "content": "So", "prefix": True}]},
        {"messages": [user(), {"role": "assistant", "content": "So", "prefix": True}]},
    ),
    "clients 6 structured output on Anthropic": (
        "Anthropic's output_config.format",
        "Anthropic",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "object", "properties": {}}},
            }
        },
        {
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": {"type": "object", "properties": {}, "additionalProperties": False},
                }
            }
        },
    ),
    "clients 7 a picture in a tool's result": (
        "Anthropic's ToolResultBlockParam.content takes images",
        "Anthropic",
        {
            "messages": [
                user(),
                {"role": "assistant", "tool_calls": [{**CLOCK, "id": "a"}]},
                {"role": "tool", "tool_call_id": "a", "content": [PICTURE]},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [text("hi")]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "clock", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [PNG]}]},
            ]
        },
    ),
    "clients 7 thinking and effort": (
        "Anthropic's thinking and output_config.effort",
        "Anthropic",
        {"reasoning_effort": "high"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    ),
    "clients 14 a PDF": (
        "Anthropic's DocumentBlockParam, OpenAI's FilePart",
        "Anthropic",
        {
            "messages": [
                user(
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}
                )
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                            "title": "a.pdf",
                        }
                    ],
                }
            ]
        },
    ),
    "clients 14 sound": (
        "OpenAI's InputAudioPart",
        "OpenAI",
        {"messages": [user({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})]},
        {"messages": [user({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}})]},
    ),
    "clients 17 an assistant's null content": (
        "OpenAI's assistant message: content may be null beside calls",
        "OpenAI",
        {"messages": HISTORY},
        {"messages": HISTORY},
    ),
    "clients 17 no bound": ("llama.cpp's and LM Studio's -1", "OpenAI", {"max_tokens": -1}, {"max_tokens": None}),
}
