"""A conversation of Anthropic's Messages API as OpenAI's messages. Pure.

A user's turn with results of tools becomes one message per result, then one of the rest: OpenAI requires the results
directly after the calls, and accepts texts only in them. Pictures of a result are sent in the message after it.
"""

import json
from collections.abc import Iterator
from typing import Final

from penstock_contract.anthropic.nested_fields import OTHERS_SIGNATURE
from penstock_worker.providers.messages_to_chat.blocks import (
    ERROR_PREFIX,
    Json,
    blocks_of,
    invalid,
    joined,
    part,
    text_of,
    texts_only,
    unsupported,
)

DIRECT: Final[Json] = {"type": "direct"}
"""The caller of a tool is the model, and not code that Anthropic runs."""


def messages_of(system: object, turns: list[Json]) -> list[Json]:
    """OpenAI's messages, the system's text first."""
    messages: list[Json] = []
    if text := texts_only(blocks_of(system, "system"), "system"):
        messages.append({"role": "system", "content": text})
    for index, turn in enumerate(turns):
        path = f"messages[{index}].content"
        blocks = blocks_of(turn.get("content"), path)
        match turn.get("role"):
            case "assistant":
                messages += _assistant(blocks, path)
            case "system":
                messages.append({"role": "system", "content": texts_only(blocks, path)})
            case _:
                messages += _user(blocks, path)
    return messages


def _user(blocks: list[Json], path: str) -> Iterator[Json]:
    rest: list[Json] = []
    for index, block in enumerate(blocks):
        here = f"{path}[{index}]"
        if block.get("type") == "tool_result":
            message, pictures = _result(block, here)
            yield message
            rest += pictures
        else:
            rest += part(block, here)
    if rest or not blocks:
        yield {"role": "user", "content": joined(rest)}


def _result(block: Json, path: str) -> tuple[Json, list[Json]]:
    id_ = text_of(block, "tool_use_id", path)
    parts: list[Json] = []
    for index, inner in enumerate(blocks_of(block.get("content"), f"{path}.content")):
        parts += part(inner, f"{path}.content[{index}]")
    texts = [one for one in parts if one["type"] == "text"]
    others = [one for one in parts if one["type"] != "text"]
    text = "\n\n".join(one["text"] for one in texts)
    if others:
        note = f"The result of tool call {id_} has {len(others)} attachment(s), which follow in the user's message."
        text = f"{text}\n\n{note}" if text else note
        others = [{"type": "text", "text": f"Attachments of the result of tool call {id_}:"}, *others]
    if block.get("is_error") and not text.lower().startswith("error"):
        text = ERROR_PREFIX + text
    return {"role": "tool", "tool_call_id": id_, "content": text}, others


def _assistant(blocks: list[Json], path: str) -> Iterator[Json]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for index, block in enumerate(blocks):
        here = f"{path}[{index}]"
        match block.get("type"):
            case "text":
                texts.append(text_of(block, "text", here))
            case "thinking":
                # Thinking that Anthropic signed is for Anthropic only.
                if block.get("signature") == OTHERS_SIGNATURE:
                    thoughts.append(text_of(block, "thinking", here))
            case "redacted_thinking":
                pass
            case "tool_use":
                calls.append(_call(block, here))
            case type_:
                raise unsupported(f"blocks of type {str(type_)[:64]}", here)
    message: Json = {"role": "assistant", "content": "\n\n".join(texts) if texts or not calls else None}
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    yield message


def _call(block: Json, path: str) -> Json:
    if (block.get("caller") or DIRECT) != DIRECT:
        raise unsupported("calls by code", f"{path}.caller")
    input_ = block.get("input")
    if not isinstance(input_, dict):
        raise invalid("must be an object", f"{path}.input")
    function = {"name": text_of(block, "name", path), "arguments": json.dumps(input_, ensure_ascii=False)}
    extra = {"extra_content": block["extra_content"]} if isinstance(block.get("extra_content"), dict) else {}
    return {"id": text_of(block, "id", path), "type": "function", "function": function, **extra}
