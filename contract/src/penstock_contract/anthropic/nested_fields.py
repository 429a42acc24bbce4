"""Names inside a Messages request that the answering provider is not sent, for `x-penstock-ignored`. Pure.

The translation for providers of OpenAI's API (`penstock_worker.providers.messages_to_chat`) reads these tables.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct

from penstock_contract.anthropic.message_fields import MADE_OF
from penstock_contract.codec import UNREADABLE
from penstock_contract.request.json_body import Fields
from penstock_contract.request.nested_fields import NOTHING, is_openais_own
from penstock_contract.route.provider import ProviderSpec

OTHERS_SIGNATURE: Final = "penstock"
"""The signature of thinking that came from a provider of another API: Anthropic requires one, and refuses this one."""

MESSAGE: Final = frozenset(("role", "content"))
BLOCKS: Final = {
    "text": frozenset(("type", "text")),
    "image": frozenset(("type", "source")),
    "document": frozenset(("type", "source", "title", "context")),
    "thinking": frozenset(("type", "thinking", "signature")),
    "tool_use": frozenset(("type", "id", "name", "input", "caller", "extra_content")),
    "tool_result": frozenset(("type", "tool_use_id", "content", "is_error")),
}
"""Blocks that have a translation. `extra_content` is a provider's own, of its earlier answer."""
TOOL: Final = frozenset(("type", "name", "description", "input_schema", "strict"))
TOOL_CHOICE: Final = frozenset(("type", "name", "disable_parallel_tool_use"))
THINKING: Final = frozenset(("type", "budget_tokens", "display"))
OUTPUT_CONFIG: Final = frozenset(("effort", "format"))
METADATA: Final = frozenset(("user_id",))


class _Body(Struct):
    messages: list[Fields]
    system: Raw = Raw(b"null")
    tools: list[Fields] | None = None
    tool_choice: Raw = Raw(b"null")
    thinking: Raw = Raw(b"null")
    output_config: Raw = Raw(b"null")
    metadata: Raw = Raw(b"null")


_body = msgspec.json.Decoder(_Body).decode
_fields = msgspec.json.Decoder(Fields).decode
_list = msgspec.json.Decoder(list[Fields]).decode
_text = msgspec.json.Decoder(str).decode


def ignored_inside(body: bytes, provider: ProviderSpec) -> list[str]:
    """Paths without indexes, each once, in the request's order. `body` was checked by `body`."""
    try:
        if provider.type == "Anthropic":
            found = _body(body) if OTHERS_SIGNATURE.encode() in body else None
            return ["messages.content.thinking"] if found is not None and any(_of_others(found)) else []
        return list(dict.fromkeys(_untranslated(_body(body), provider)))
    except (*UNREADABLE, ValueError):
        # Of a shape that the translation refuses.
        return []


def _of_others(body: _Body) -> Iterator[bool]:
    for message in body.messages:
        for block in _objects(message.get("content")):
            yield is_of_others(block)


def is_of_others(block: Fields) -> bool:
    """Return whether a block is thinking that a provider of another API sent."""
    return (
        bytes(block.get("type", Raw(b""))) == b'"thinking"'
        and bytes(block.get("signature", Raw(b""))) == b'"%b"' % OTHERS_SIGNATURE.encode()
    )


def _untranslated(body: _Body, provider: ProviderSpec) -> Iterator[str]:
    for name, made in MADE_OF.items():
        if name not in provider.drop and all(one in provider.drop for one in made) and _is_sent(body, name):
            yield name
    own = is_openais_own(provider)
    yield from _in_blocks(body.system, "system", keep_thinking=False)
    for message in body.messages:
        yield from _unread(message, MESSAGE, "messages")
        yield from _in_blocks(message.get("content"), "messages.content", keep_thinking=not own)
    for tool in body.tools or ():
        yield from _unread(tool, TOOL, "tools")
    for name, read in (
        ("tool_choice", TOOL_CHOICE),
        ("thinking", THINKING),
        ("output_config", OUTPUT_CONFIG),
        ("metadata", METADATA),
    ):
        yield from _unread(_object(getattr(body, name)), read, name)


def _is_sent(body: _Body, name: str) -> bool:
    return bytes(getattr(body, name, Raw(b"null"))) not in NOTHING


def _in_blocks(raw: Raw | None, path: str, *, keep_thinking: bool) -> Iterator[str]:
    for block in _objects(raw):
        type_ = _text(block["type"])
        if type_ == "redacted_thinking" or (type_ == "thinking" and not (keep_thinking and is_of_others(block))):
            yield f"{path}.{type_}"
            continue
        yield from _unread(block, BLOCKS.get(type_, frozenset(block)), path)
        if type_ == "tool_result":
            yield from _in_blocks(block.get("content"), f"{path}.content", keep_thinking=False)


def _unread(fields: Fields, read: Iterable[str], path: str) -> Iterator[str]:
    return (f"{path}.{name}" for name, raw in fields.items() if name not in read and bytes(raw) not in NOTHING)


def _objects(raw: Raw | None) -> list[Fields]:
    return [] if raw is None or bytes(memoryview(raw)[:1]) != b"[" else _list(raw)


def _object(raw: Raw | None) -> Fields:
    return {} if raw is None or bytes(memoryview(raw)[:1]) != b"{" else _fields(raw)
