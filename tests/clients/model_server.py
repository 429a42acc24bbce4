"""A model behind a scripted provider: it answers the request's kind, in OpenAI's and in Anthropic's dialect.

Tools lead to a call of each, a tool's result to a text, a JSON Schema to a value of it, anything else to `TEXT`. So a
client library runs its own loop (tools, parsing) against the gateway, unchanged, and validates the answer.
"""

import json
from typing import Any

from harness.provider_answers import (
    DONE,
    data,
    delta,
    embeddings,
    finish,
    json_answer,
    status,
    stream,
    text_then_wait,
    usage,
)
from harness.provider_call import Call

MODELS = {"openai": "gpt", "anthropic": "claude"}
"""The model of each route, by its provider's dialect."""
REASONING_MODELS = {"openai": "gpt-5-claude-4", "anthropic": "claude-4-gpt-5"}
"""The same under names that the compliance suites take for models with reasoning."""
EMBEDDING_MODEL = "vectors"
TEXT = "Paris is the capital of France."
FAILURES = 4
"""More than the worker's own retry and one of a client repair."""
ENDLESS = "Begin, and wait."
"""After this prompt the OpenAI-type model sends one text, and no end."""
SCALARS: dict[str, Any] = {"integer": 7, "number": 0.5, "boolean": True}
AFTER_TOOL = "It is sunny in Rome."
OBJECT = json.dumps({"name": "Rome", "people": 7})
"""The answer to a request for JSON without a schema."""


def sample(schema: dict[str, Any], root: dict[str, Any] | None = None) -> Any:
    """A value that the JSON Schema accepts."""
    root = root or schema
    if "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return sample(target, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return sample(schema[union][0], root)
    if schema.get("type") == "object":
        return {name: sample(each, root) for name, each in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [sample(schema.get("items", {}), root)]
    return SCALARS.get(schema.get("type", ""), "Rome")


async def openai_model(call: Call) -> None:
    """Chat completions (always streamed, as the worker requests) and embeddings."""
    if call.path.endswith("/embeddings"):
        inputs = call.body["input"]
        await embeddings([[float(index), 0.5, -1.0] for index in range(len(inputs))])(call)
        return
    if call.body["messages"][-1]["content"] == ENDLESS:
        await text_then_wait("Paris")(call)
        return
    if await _failed(call):
        return
    thoughts = [delta(reasoning_content="Let me think.")] if call.body.get("reasoning_effort") == "high" else []
    await stream(*thoughts, *_openai_pieces(call.body))(call)


async def anthropic_model(call: Call) -> None:
    """Anthropic's Messages, streamed, and the count of their tokens."""
    if call.path.endswith("/count_tokens"):
        await json_answer({"input_tokens": 11})(call)
    elif not await _failed(call):
        await stream(*_anthropic_pieces(call.body))(call)


FAILED: dict[str, int] = {}
"""Calls of a prompt that has been failed, by the prompt."""


async def _failed(call: Call) -> bool:
    """True if the call was failed, because its prompt requests it: `fail twice …`, or `break off`."""
    last = json.dumps(call.body["messages"][-1]["content"])
    if "fail twice" in last and FAILED.setdefault(last, 0) < FAILURES:
        FAILED[last] += 1
        await status(503)(call)
        return True
    if "break off" in last:
        text = delta(content="Par") if "stream_options" in call.body else b"".join(_anthropic_pieces(call.body)[:3])
        await stream(text)(call)
        return True
    return False


def _openai_pieces(body: dict[str, Any]) -> list[bytes]:
    format_ = body.get("response_format") or {}
    tools = [tool["function"] for tool in body.get("tools") or [] if _chosen(body, tool["function"]["name"])]
    if any(message["role"] == "tool" for message in body["messages"][-2:]):
        # A user's text may follow the result.
        text = AFTER_TOOL
    elif tools and body.get("tool_choice") != "none":
        calls = [
            {
                "index": index,
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": tool["name"], "arguments": json.dumps(sample(tool.get("parameters") or {}))},
            }
            for index, tool in enumerate(tools)
        ]
        return [*(delta(tool_calls=[each]) for each in calls), finish("tool_calls"), usage(11, 5), DONE]
    elif format_.get("type") == "json_schema":
        text = json.dumps(sample(format_["json_schema"]["schema"]))
    elif format_.get("type") == "json_object":
        text = OBJECT
    else:
        text = _in_words(body)
    return [*(delta(content=piece) for piece in _pieces(text)), finish(), usage(11, 5), DONE]


def _in_words(body: dict[str, Any]) -> str:
    """JSON if the text of the prompt requests it, as for `json_object` on Anthropic or in a code block."""
    requested = json.dumps([body.get("system"), body["messages"]])
    if "code block" in requested or "codeblock" in requested:
        return f"```json\n{OBJECT}\n```"
    return OBJECT if "JSON object" in requested else TEXT


def _chosen(body: dict[str, Any], name: str) -> bool:
    choice = body.get("tool_choice")
    return not isinstance(choice, dict) or choice["function"]["name"] == name


def _anthropic_pieces(body: dict[str, Any]) -> list[bytes]:
    last = body["messages"][-1]["content"]
    choice = body.get("tool_choice") or {}
    tools = [tool for tool in body.get("tools") or [] if choice.get("name") in {None, tool["name"]}]
    format_ = (body.get("output_config") or {}).get("format") or {}
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]]
    reason = "end_turn"
    if isinstance(last, list) and any(block["type"] == "tool_result" for block in last):
        blocks = [_text_block(AFTER_TOOL)]
    elif tools and choice.get("type") != "none":
        blocks, reason = [_tool_block(index, tool) for index, tool in enumerate(tools)], "tool_use"
    elif format_.get("type") == "json_schema":
        blocks = [_text_block(json.dumps(sample(format_["schema"])))]
    else:
        blocks = [_text_block(_in_words(body))]
    start = {"type": "message", "role": "assistant", "content": [], "usage": {"input_tokens": 11, "output_tokens": 1}}
    pieces = [data({"type": "message_start", "message": start})]
    if (body.get("thinking") or {}).get("type") in {"enabled", "adaptive"}:
        blocks.insert(0, THOUGHT)
    for index, (block, deltas) in enumerate(blocks):
        pieces.append(data({"type": "content_block_start", "index": index, "content_block": block}))
        pieces += [data({"type": "content_block_delta", "index": index, "delta": each}) for each in deltas]
        pieces.append(data({"type": "content_block_stop", "index": index}))
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}
    return [*pieces, data(end), data({"type": "message_stop"})]


THOUGHT: tuple[dict[str, Any], list[dict[str, Any]]] = (
    {"type": "thinking", "thinking": "", "signature": ""},
    [
        {"type": "thinking_delta", "thinking": "Let me think."},
        {"type": "signature_delta", "signature": "c2lnbmF0dXJl"},
    ],
)


def _text_block(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(text)]


def _tool_block(index: int, tool: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    arguments = json.dumps(sample(tool["input_schema"]))
    return (
        {"type": "tool_use", "id": f"toolu_{index}", "name": tool["name"], "input": {}},
        [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(arguments)],
    )


def _pieces(text: str) -> list[str]:
    return [text[start : start + 5] for start in range(0, len(text), 5)]
