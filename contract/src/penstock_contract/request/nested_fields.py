"""Names inside a chat request that the answering provider is not sent, for `x-penstock-ignored`. Pure.

Two kinds of provider take less than the client may send: OpenAI's own hosts refuse what other providers put into
messages, and Anthropic's dialect has no place for some names. The workers' adapters leave out what is written here.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.route.spec import ProviderSpec

OPENAI_HOSTS: Final = ("api.openai.com", ".openai.azure.com")
FOREIGN: Final = frozenset(("reasoning_content", "reasoning_details", "extra_content", "cache_control"))
"""What other providers of the dialect put into messages and tools, and OpenAI's own hosts refuse."""

MESSAGE: Final = frozenset(
    ("role", "content", "tool_calls", "tool_call_id", "refusal", "reasoning_details", "cache_control")
)
"""Names in a message that the Anthropic adapter reads; the others below alike."""
PARTS: Final = {
    "text": frozenset(("type", "text", "cache_control")),
    "refusal": frozenset(("type", "refusal", "cache_control")),
    "image_url": frozenset(("type", "image_url", "cache_control")),
    "file": frozenset(("type", "file", "cache_control")),
}
INSIDE: Final = {"image_url": frozenset(("url",)), "file": frozenset(("file_data", "file_id", "filename"))}
# The place of a call among the calls is the list's.
CALL: Final = frozenset(("id", "type", "function", "index"))
FUNCTION: Final = frozenset(("name", "arguments"))
TOOL: Final = frozenset(("type", "function", "cache_control"))
DEFINITION: Final = frozenset(("name", "description", "parameters", "strict", "cache_control"))
# A schema's name is a label that OpenAI requires, and Anthropic's schemas are always strict.
FORMAT: Final = frozenset(("type", "json_schema", "schema"))
SCHEMA: Final = frozenset(("schema", "name", "strict"))
NOTHING: Final = frozenset((b"null", b"[]", b"{}", b'""'))

Fields = dict[str, Raw]


class _Body(Struct):
    messages: list[Fields]
    tools: list[Fields] | None = None
    response_format: Fields | None = None


_body = msgspec.json.Decoder(_Body).decode
_fields = msgspec.json.Decoder(Fields).decode
_list = msgspec.json.Decoder(list[Fields]).decode
_text = msgspec.json.Decoder(str).decode
_values = msgspec.json.Decoder(list[dict[str, Any]] | None).decode


def is_openais_own(provider: ProviderSpec) -> bool:
    """Whether a provider is OpenAI or Azure OpenAI itself, and no other server of the dialect."""
    host = urlsplit(provider.base_url or "https://api.openai.com").hostname or ""
    return provider.type == "AzureOpenAI" or (provider.type == "OpenAI" and host.endswith(OPENAI_HOSTS))


def is_anthropics_thinking(detail: dict[str, Any]) -> bool:
    """Whether an entry of `reasoning_details` is Anthropic's own and complete, so that it can go back to Anthropic."""
    format_ = detail.get("format")
    if format_ is not None and not (isinstance(format_, str) and format_.startswith("anthropic")):
        return False
    kind = detail.get("type")
    return bool(
        (kind == "reasoning.text" and detail.get("signature")) or (kind == "reasoning.encrypted" and detail.get("data"))
    )


def nested_ignored(body: bytes, provider: ProviderSpec) -> list[str]:
    """Paths without indexes, each once, in the request's order. `body` was checked by `chat_body`."""
    try:
        if provider.type == "Anthropic":
            return list(dict.fromkeys(_of_anthropic(_body(body))))
        if is_openais_own(provider) and any(name.encode() in body for name in FOREIGN):
            return list(dict.fromkeys(_of_openai(_body(body))))
    except (*UNREADABLE, ValueError):
        # Of a shape that the adapter refuses or that is the provider's to judge.
        pass
    return []


def _of_openai(body: _Body) -> Iterator[str]:
    for message in body.messages:
        yield from _found(message, "messages")
        for name in ("content", "tool_calls"):
            for part in _objects(message.get(name)):
                yield from _found(part, f"messages.{name}")
    for tool in body.tools or ():
        yield from _found(tool, "tools")
        yield from _found(_object(tool.get("function")), "tools.function")


def _found(fields: Fields, path: str) -> Iterator[str]:
    return (f"{path}.{name}" for name, raw in fields.items() if name in FOREIGN and bytes(raw) not in NOTHING)


def _of_anthropic(body: _Body) -> Iterator[str]:
    for message in body.messages:
        yield from _unread(message, MESSAGE, "messages")
        if not all(map(is_anthropics_thinking, _values(message.get("reasoning_details") or b"[]") or ())):
            yield "messages.reasoning_details"
        for part in _objects(message.get("content")):
            type_ = _text(part["type"]) if "type" in part else ""
            yield from _unread(part, PARTS.get(type_, frozenset(part)), "messages.content")
            for name, read in INSIDE.items():
                yield from _unread(_object(part.get(name)), read, f"messages.content.{name}")
        for call in _objects(message.get("tool_calls")):
            yield from _unread(call, CALL, "messages.tool_calls")
            yield from _unread(_object(call.get("function")), FUNCTION, "messages.tool_calls.function")
    for tool in body.tools or ():
        yield from _unread(tool, TOOL, "tools")
        yield from _unread(_object(tool.get("function")), DEFINITION, "tools.function")
    format_ = body.response_format or {}
    yield from _unread(format_, FORMAT, "response_format")
    yield from _unread(_object(format_.get("json_schema")), SCHEMA, "response_format.json_schema")


def _unread(fields: Fields, read: Iterable[str], path: str) -> Iterator[str]:
    return (f"{path}.{name}" for name, raw in fields.items() if name not in read and bytes(raw) not in NOTHING)


def _objects(raw: Raw | None) -> list[Fields]:
    return [] if raw is None or bytes(memoryview(raw)[:1]) != b"[" else _list(raw)


def _object(raw: Raw | None) -> Fields:
    return {} if raw is None or bytes(memoryview(raw)[:1]) != b"{" else _fields(raw)
