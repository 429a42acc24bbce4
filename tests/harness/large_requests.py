"""Chat requests with 12 000 tokens of text in each field that may carry text."""

import json

LARGE = "words " * 8_000
"""12 000 tokens, 12.00 at `PRICES`."""
CONTENT = {
    "content": {"messages": [{"role": "user", "content": LARGE}]},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": LARGE}]}]},
    "arguments": {
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": LARGE})}}
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": "ok"},
        ]
    },
    "reasoning": {
        "messages": [
            {"role": "assistant", "content": "a", "reasoning_content": LARGE},
            {"role": "user", "content": "b"},
        ]
    },
    "refusal": {"messages": [{"role": "assistant", "refusal": LARGE}, {"role": "user", "content": "b"}]},
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "description": LARGE}}}
FIELDS = {
    **CONTENT,
    "name": {"messages": [{"role": "user", "content": "hi", "name": LARGE}]},
    "call name": {
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": LARGE, "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "ok"},
        ]
    },
    "tool name": {"tools": [{**TOOL, "function": {"name": LARGE}}]},
    "tool description": {"tools": [{**TOOL, "function": {"name": "f", "description": LARGE}}]},
    "tool parameters": {"tools": [{**TOOL, "function": {"name": "f", "parameters": SCHEMA}}]},
    "response format": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    },
    "metadata": {"metadata": {"a": LARGE}},
    "cache key": {"prompt_cache_key": LARGE},
    "unknown": {"unknown_field": LARGE},
}
