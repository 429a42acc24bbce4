"""The body of a Messages request as a client sent it: checked, measured, and kept as bytes.

Checked is what the gateway or a translation needs. All else is the provider's to judge and goes on as it came: unknown
fields, types of blocks and tools that came after this was written. Pure; raises `invalid_request` with a field's path.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from penstock_contract.anthropic.requests import MaxTokens, Temperature
from penstock_contract.request.chat_body import PARTS_MAX, SCHEMAS_BYTES_MAX
from penstock_contract.request.input_size import TOKENS_PER_IMAGE, file_tokens, text_bytes, text_tokens
from penstock_contract.request.json_body import Fields, decoded, fields_of, invalid, without_mark
from penstock_contract.request.operations import (
    MESSAGES_MAX,
    TOOLS_MAX,
    CountTokensOperation,
    Fraction,
    MessagesOperation,
    ModelName,
)

WITHOUT_SAMPLING: Final = "2026-10-21"
"""The first version of the API that refuses `temperature`, `top_p` and `top_k`, even with their default values."""
VERSIONS: Final = ("2023-06-01", WITHOUT_SAMPLING)
SAMPLING: Final = ("temperature", "top_p", "top_k")
ATTACHED: Final = frozenset(("image", "document"))
BLOCK_NAMES: Final = frozenset(("type", "text", "source", "content", "media_type", "data", "url", "file_id"))

Blocks = Annotated[list[Fields], Meta(max_length=PARTS_MAX)]


class _Message(Struct, gc=False):
    role: str
    content: str | Blocks


class _Source(Struct, gc=False):
    type: str
    data: str | None = None
    url: str | None = None
    content: Raw = Raw()


class _Typed(Struct, gc=False):
    type: str


class _Thinking(Struct, gc=False):
    type: str
    display: str | None = None


CHECKED: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "model": ModelName,
        "messages": Annotated[list[_Message], Meta(min_length=1, max_length=MESSAGES_MAX)],
        "max_tokens": MaxTokens | Annotated[float, Meta(ge=0, le=10_000_000)],
        "system": str | Blocks | None,
        "stream": bool | None,
        "stop_sequences": list[str] | None,
        "temperature": Temperature | None,
        "top_p": Fraction | None,
        "top_k": Annotated[float, Meta(ge=0)] | None,
        "tools": Annotated[list[Fields], Meta(max_length=TOOLS_MAX)] | None,
        "tool_choice": _Typed | None,
        "thinking": _Thinking | None,
        "output_config": dict[str, Raw] | None,
        "metadata": dict[str, Raw] | None,
        "service_tier": str | None,
    }.items()
}
NOTHING: Final = frozenset((b"null", b"[]", b"{}", b'""'))
"""Values without an effect: clients send them for a field that they do not use."""
ROLES: Final = frozenset(("user", "assistant", "system"))
_blocks = msgspec.json.Decoder(Blocks)
_source = msgspec.json.Decoder(_Source)
_names = msgspec.json.Decoder(Fields).decode


class MessagesBody(Struct, frozen=True):
    """`fields` are the names at the top level that have a value; `with_thinking`: the client requested thinking."""

    model: str
    body: bytes
    input_tokens: int
    stream: bool
    stops: tuple[str, ...]
    with_thinking: bool
    fields: tuple[str, ...]

    def operation(self, version: str, betas: Iterable[str] = ()) -> MessagesOperation:
        return MessagesOperation(body=self.body, input_tokens=self.input_tokens, version=version, betas=list(betas))

    def count(self, version: str, betas: Iterable[str] = ()) -> CountTokensOperation:
        return CountTokensOperation(body=self.body, version=version, betas=list(betas))


class CountTokensBody(MessagesBody, frozen=True):
    """A body of `/v1/messages/count_tokens`, which needs no `max_tokens`."""


def read_messages(body: bytes) -> MessagesBody:
    """Check a body of `/v1/messages`."""
    return _read(body, MessagesBody, ("model", "max_tokens", "messages"))


def read_count(body: bytes) -> CountTokensBody:
    """Check a body of `/v1/messages/count_tokens`."""
    read = _read(body, CountTokensBody, ("model", "messages"))
    assert isinstance(read, CountTokensBody)
    return read


def check_version(version: str, fields: Iterable[str]) -> None:
    """Refuse an unknown version of the API, and the fields that a version lacks."""
    if version not in VERSIONS:
        raise invalid(f"must be one of {', '.join(VERSIONS)}", "anthropic-version")
    if version == WITHOUT_SAMPLING:
        for name in fields:
            if name in SAMPLING:
                raise invalid(f"not supported from version {WITHOUT_SAMPLING} on; leave it out", name)


def _read(body: bytes, kind: type[MessagesBody], required: tuple[str, ...]) -> MessagesBody:
    body = without_mark(body)
    fields = fields_of(body)
    for name in required:
        if name not in fields:
            raise invalid("this field is required", name)
    if "tools" in fields and len(memoryview(fields["tools"])) > SCHEMAS_BYTES_MAX:
        raise invalid(f"larger than {SCHEMAS_BYTES_MAX} bytes", "tools")
    values = {name: decoded(CHECKED[name], raw, name) for name, raw in fields.items() if name in CHECKED}
    limit = values.get("max_tokens")
    if type(limit) is float and not limit.is_integer():
        raise invalid("must be an integer", "max_tokens")
    size, tokens = text_bytes(body), 0
    for index, message in enumerate(values["messages"]):
        if message.role not in ROLES:
            raise invalid("must be user, assistant or system", f"messages[{index}].role")
        data, counted = _measured(message.content, f"messages[{index}].content")
        size -= data
        tokens += counted
    _measured(values.get("system") or "", "system")
    thinking: _Thinking | None = values.get("thinking")
    return kind(
        model=values["model"],
        body=body,
        input_tokens=text_tokens(max(0, size)) + tokens,
        stream=bool(values.get("stream")),
        stops=tuple(values.get("stop_sequences") or ()),
        with_thinking=thinking is not None and thinking.type != "disabled" and thinking.display != "omitted",
        fields=tuple(name for name, raw in fields.items() if not _is_nothing(raw)),
    )


def _is_nothing(raw: Raw) -> bool:
    return len(memoryview(raw)) <= 4 and bytes(raw) in NOTHING


def _measured(content: str | list[Fields], path: str) -> tuple[int, int]:
    """Bytes of the body that are no text, and the tokens that they count as."""
    size = tokens = 0
    for index, block in enumerate(content if isinstance(content, list) else ()):
        data, counted = _block(block, f"{path}[{index}]")
        size += data
        tokens += counted
    return size, tokens


def _block(block: Fields, path: str) -> tuple[int, int]:
    _check_twins(block, path)
    if "type" not in block:
        raise invalid("this field is required", f"{path}.type")
    type_ = decoded(_TEXT, block["type"], f"{path}.type")
    if type_ == "text":
        if "text" not in block:
            raise invalid("this field is required", f"{path}.text")
        decoded(_TEXT, block["text"], f"{path}.text")
    elif type_ in ATTACHED:
        if "source" not in block:
            raise invalid("this field is required", f"{path}.source")
        return _attached(type_, block["source"], f"{path}.source")
    elif type_ == "tool_result" and bytes(memoryview(block.get("content", Raw(b"null")))[:1]) == b"[":
        return _measured(decoded(_blocks, block["content"], f"{path}.content"), f"{path}.content")
    return 0, 0


_TEXT: Final = msgspec.json.Decoder(str)


def _attached(type_: str, raw: Raw, path: str) -> tuple[int, int]:
    source: _Source = decoded(_source, raw, path)
    _check_twins(_names(raw), path)
    if source.type == "text":
        return 0, 0
    if source.type == "content" and bytes(memoryview(source.content)[:1]) == b"[":
        return _measured(decoded(_blocks, source.content, f"{path}.content"), f"{path}.content")
    if source.type == "url" and not (source.url or "").lower().startswith("https://"):
        raise invalid("must be an https: URL", f"{path}.url")
    if source.type == "base64" and source.data is None:
        raise invalid("this field is required", f"{path}.data")
    data = len(source.data or "")
    return data, TOKENS_PER_IMAGE if type_ == "image" else file_tokens(data)


def _check_twins(names: Iterable[str], path: str) -> None:
    """Refuse names that differ from a block's own by case only, which some servers take for them."""
    for name in names:
        folded = name.casefold()
        if folded != name and folded in BLOCK_NAMES:
            raise invalid(f"this name differs from {folded!r} by case only", f"{path}.{ascii(name[:64])[1:-1]}")
