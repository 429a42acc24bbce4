"""A conversation in Anthropic's form: system text apart, turns that alternate, blocks in place of parts.

Parts that Anthropic refuses are left out if they are empty (empty texts), and converted if they have a meaning (ids of
other providers' tool calls). Pure; raises `PenstockError` with the path of a part that cannot be translated.
"""

import hashlib
import re
from collections import deque
from typing import Any, Final

import msgspec

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError
from penstock_contract.request.nested_fields import is_anthropics_thinking
from penstock_worker.providers.anthropic.request import ClientMessage, ClientToolCall, File, Part, Url

Block = dict[str, Any]

SYSTEM: Final = frozenset(("system", "developer"))
TOOL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
FILLER: Final = "."
"""The user's turn before a conversation that an assistant begins: Anthropic requires one, and a text in it."""
_arguments = msgspec.json.Decoder(dict[str, Any]).decode


def unsupported(what: str, param: str) -> PenstockError:
    return PenstockError("unsupported_by_provider", f"{param}: this provider has no {what}", param=param)


def system_of(messages: list[ClientMessage]) -> str | list[Block] | None:
    """One text; blocks if any of it is marked for the provider's cache."""
    blocks = [
        block
        for index, message in enumerate(messages)
        if message.role in SYSTEM
        for block in _marked(_blocks(message, f"messages[{index}]"), message)
    ]
    if any(block["type"] != "text" for block in blocks):
        raise unsupported("pictures or files in a system message", "messages")
    if any("cache_control" in block for block in blocks):
        return blocks
    return "\n\n".join(block["text"] for block in blocks) or None


def turns_of(messages: list[ClientMessage]) -> list[Block]:
    """Joins neighbours of the same role: Anthropic requires alternating turns."""
    turns: list[Block] = []
    ids = ToolIds()
    for index, message in enumerate(messages):
        if message.role in SYSTEM:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        content = _content(message, f"messages[{index}]", ids)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": role, "content": content})
    if turns and turns[-1]["role"] == "assistant":
        _trim(turns)
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": FILLER}]})
    return turns


class ToolIds:
    """Ids that Anthropic accepts, equal for a call and its result; a valid id is kept."""

    def __init__(self) -> None:
        self._made = 0
        self._open: deque[str] = deque()

    def of_call(self, id_: str | None) -> str:
        if id_:
            return clean(id_)
        made = f"call_{self._made}"
        self._made += 1
        self._open.append(made)
        return made

    def of_result(self, id_: str | None) -> str:
        """A result without an id belongs to the next call without an id."""
        if id_:
            return clean(id_)
        return self._open.popleft() if self._open else "call_0"


def clean(id_: str) -> str:
    """With a digest of what it was, as two ids may differ only in what is replaced."""
    if TOOL_ID.fullmatch(id_):
        return id_
    digest = hashlib.sha256(id_.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '_', id_)[:48]}_{digest}"


def _content(message: ClientMessage, path: str, ids: ToolIds) -> list[Block]:
    if message.role == "tool":
        return [_result(message, path, ids)]
    blocks = _thinking(message) + _blocks(message, path)
    if message.refusal and message.refusal.strip():
        blocks.append({"type": "text", "text": message.refusal})
    for index, call in enumerate(message.tool_calls or ()):
        blocks.append(_call(call, f"{path}.tool_calls[{index}]", ids))
    return _marked(blocks, message)


def _marked(blocks: list[Block], message: ClientMessage) -> list[Block]:
    if message.cache_control and blocks:
        blocks[-1]["cache_control"] = message.cache_control
    return blocks


def _thinking(message: ClientMessage) -> list[Block]:
    """Earlier thinking is sent with its signature; that of other providers has none and is left out."""
    blocks: list[Block] = []
    for detail in filter(is_anthropics_thinking, message.reasoning_details or ()):
        if detail["type"] == "reasoning.text":
            thought = {"thinking": detail.get("text") or "", "signature": detail["signature"]}
            blocks.append({"type": "thinking", **thought})
        else:
            blocks.append({"type": "redacted_thinking", "data": detail["data"]})
    return blocks


def _result(message: ClientMessage, path: str, ids: ToolIds) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": ids.of_result(message.tool_call_id)}
    parts = _blocks(message, path)
    for part in parts:
        if "cache_control" in part:
            block["cache_control"] = part.pop("cache_control")
    if any(part["type"] != "text" for part in parts):
        block["content"] = parts
    elif text := "".join(part["text"] for part in parts):
        block["content"] = text
    return _marked([block], message)[0]


def _call(call: ClientToolCall, path: str, ids: ToolIds) -> Block:
    if call.function is None:
        raise unsupported(f"tool calls of type {call.type}", path)
    given = call.function.arguments
    try:
        arguments = given if isinstance(given, dict) else _arguments(given or "{}")
    except UNREADABLE:
        raise PenstockError(
            "invalid_request",
            f"{path}.function.arguments: must be a JSON object",
            param=f"{path}.function.arguments",
        ) from None
    return {"type": "tool_use", "id": ids.of_call(call.id), "name": call.function.name, "input": arguments}


def _blocks(message: ClientMessage, path: str) -> list[Block]:
    """Blank texts are left out: Anthropic refuses them."""
    if message.content is None or isinstance(message.content, str):
        text = message.content or ""
        return [{"type": "text", "text": text}] if text.strip() else []
    blocks: list[Block] = []
    for index, part in enumerate(message.content):
        block = _block(part, f"{path}.content[{index}]")
        if block is None:
            continue
        if part.cache_control:
            block["cache_control"] = part.cache_control
        blocks.append(block)
    return blocks


def _block(part: Part, path: str) -> Block | None:
    match part.type:
        case "text" | "refusal":
            text = part.text if part.type == "text" else part.refusal
            return {"type": "text", "text": text} if text and text.strip() else None
        case "image_url" if part.image_url is not None:
            url = part.image_url.url if isinstance(part.image_url, Url) else part.image_url
            return {"type": "image", "source": _source(url, f"{path}.image_url.url")}
        case "file" if part.file is not None:
            return _document(part.file, f"{path}.file")
        case _:
            raise unsupported(f"parts of type {part.type[:64]}", path)


def _source(url: str, path: str) -> Block:
    if url[:5].lower() != "data:":
        return {"type": "url", "url": url}
    media_type, mark, data = url[5:].partition(";base64,")
    if not mark:
        raise PenstockError("invalid_request", f"{path}: a data: URL must be base64", param=path)
    return {"type": "base64", "media_type": media_type.partition(";")[0], "data": data}


def _document(file: File, path: str) -> Block:
    if file.file_data is None:
        raise unsupported("files by id", path)
    data = file.file_data
    if "://" not in data[:16] and data[:5].lower() != "data:":
        data = f"data:application/pdf;base64,{data}"
    source = _source(data, f"{path}.file_data")
    kind = source.get("media_type", "application/pdf")
    if kind.startswith("image/"):
        return {"type": "image", "source": source}
    if kind != "application/pdf":
        raise unsupported(f"files of type {kind[:64]}", path)
    title = {"title": file.filename} if file.filename else {}
    return {"type": "document", "source": source, **title}


def _trim(turns: list[Block]) -> None:
    """A last turn of the assistant, which the model continues, must not end in white space."""
    blocks = turns[-1]["content"]
    if blocks[-1]["type"] == "text":
        blocks[-1]["text"] = blocks[-1]["text"].rstrip()
