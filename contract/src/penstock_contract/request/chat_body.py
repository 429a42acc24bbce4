"""An OpenAI chat completion's body as a client sent it: checked, measured, and kept as bytes.

Checked is what the gateway or a translation needs. All else is the provider's to judge and goes on as it came:
unknown fields at every level, types of parts and tools that came after this was written, integers of any size.
Pure; every function raises `PenstockError` `invalid_request` with the path of the field.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from penstock_contract.request.chat_fields import DEMANDS
from penstock_contract.request.input_size import TOKENS_PER_IMAGE, file_tokens, media_tokens, text_bytes, text_tokens
from penstock_contract.request.json_body import Fields, decoded, fields_of, invalid, without_mark
from penstock_contract.request.messages import FunctionName, Message, Role
from penstock_contract.request.operations import (
    CHOICES_MAX,
    MESSAGES_MAX,
    TOOLS_MAX,
    UNSUPPORTED,
    ChatOperation,
    ModelName,
    Penalty,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
    TokenLimit,
)

PARTS_MAX: Final = 4096
SCHEMAS_BYTES_MAX: Final = 1024 * 1024
"""Of `tools` and of `response_format`: a worker of another dialect reads them whole."""

_MEDIA: Final = re.compile(r"data:(image|audio|video)/|data:application/pdf", re.IGNORECASE)
"""Of other types, as of text, every byte counts: a provider may read them as text."""
_URL: Final = re.compile(r"https://|data:", re.IGNORECASE)


class _Url(Struct, gc=False):
    url: str


class _File(Struct, gc=False):
    file_data: str | None = None


class _Audio(Struct, gc=False):
    data: str | None = None


class _Part(Struct):
    """One part of a content, of any type. An address may be a text in place of an object, as Mistral has it."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _Url | str | None = None
    video_url: _Url | str | None = None
    audio_url: _Url | str | None = None
    file: _File | None = None
    input_audio: _Audio | None = None


class _RawMessage(Struct, gc=False):
    content: str | list[dict[str, Raw]] | None = None


ADDRESSED: Final = ("image_url", "video_url", "audio_url")
ADDRESS_NAMES: Final = frozenset((*ADDRESSED, "type", "url", "file", "file_data", "input_audio", "data"))
_decode_parts = msgspec.json.Decoder(list[_RawMessage]).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


class _Function(Struct, gc=False):
    name: str | None = None


class _ToolCall(Struct):
    function: _Function | None = None
    extra_content: dict[str, Raw] | None = None


class _Message(Struct):
    role: Role
    content: str | Annotated[list[_Part], Meta(max_length=PARTS_MAX)] | None = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


class _Definition(Struct, gc=False):
    name: FunctionName


class _Tool(Struct):
    type: str = "function"
    function: _Definition | None = None


class _Format(Struct, gc=False):
    type: str


CHECKED: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "model": ModelName,
        "messages": Annotated[list[_Message], Meta(min_length=1, max_length=MESSAGES_MAX)],
        "stream": bool | None,
        "stream_options": StreamOptions | None,
        "max_tokens": TokenLimit | None,
        "max_completion_tokens": TokenLimit | None,
        "temperature": Temperature | None,
        "top_p": Annotated[float, Meta(ge=0, le=1)] | None,
        "stop": Stop | None,
        "seed": Seed | None,
        "n": int | float | None,
        "frequency_penalty": Penalty | None,
        "presence_penalty": Penalty | None,
        "logit_bias": dict[str, float] | None,
        "tools": Annotated[list[_Tool], Meta(max_length=TOOLS_MAX)] | None,
        "tool_choice": Literal["none", "auto", "required", "any"] | dict[str, Raw] | None,
        "parallel_tool_calls": bool | None,
        "response_format": _Format | None,
        "user": str | None,
    }.items()
}
WHOLE: Final = ("max_tokens", "max_completion_tokens", "seed", "n")
"""Integers; `64.0` is one, as languages without integers write it so."""
NOTHING: Final = frozenset((b"null", b"false", b"[]", b"0"))


class ChatBody(Struct, frozen=True):
    """`fields` are the names at the top level; `demands` are those that every provider of the route must support."""

    model: str
    operation: ChatOperation
    stream: bool
    include_usage: bool
    fields: tuple[str, ...]
    demands: tuple[str, ...] = ()


def read_chat_completion(body: bytes) -> ChatBody:
    """Read a body of a dialect that has a place for all demands."""
    return read_chat(body, demands=True)


def read_chat(body: bytes, *, demands: bool = False) -> ChatBody:
    """Check a client's body and make the operation of it; without `demands` the dialect has no place for them."""
    body = without_mark(body)
    fields = fields_of(body)
    values = _checked(fields)
    messages: list[_Message] = values["messages"]
    size = text_bytes(body)
    tokens = 0
    in_parts = False
    for index, message in enumerate(messages):
        if type(message.content) is list:
            in_parts = True
            for place, part in enumerate(message.content):
                data, counted = _attached(part, f"messages[{index}].content[{place}]")
                size -= data
                tokens += counted
    if in_parts and _may_have_twins(bytes(fields["messages"])):
        _check_twins(fields["messages"])
    options: StreamOptions | None = values.get("stream_options")
    choices = int(values.get("n") or 1)
    wanted = _demands(fields, choices)
    if wanted and not demands:
        raise invalid("this endpoint's answers have no place for it; use /v1/chat/completions", wanted[0])
    return ChatBody(
        model=values["model"],
        operation=ChatOperation(body=body, input_tokens=text_tokens(max(0, size)) + tokens, choices=choices),
        stream=bool(values.get("stream")),
        include_usage=bool(options is not None and options.include_usage),
        fields=tuple(fields),
        demands=wanted,
    )


def _demands(fields: Fields, choices: int) -> tuple[str, ...]:
    wanted = [name for name in DEMANDS if name != "n" and name in fields and bytes(fields[name]) not in NOTHING]
    return ("n", *wanted) if choices > 1 else tuple(wanted)


def plain_chat(messages: list[Message]) -> ChatOperation:
    """The operation of a conversation that has texts only, as the simple endpoints take it."""
    body = msgspec.json.encode({"messages": messages})
    return ChatOperation(body=body, input_tokens=text_tokens(len(body)))


def _checked(fields: Fields) -> dict[str, Any]:
    for name in ("model", "messages"):
        if name not in fields:
            raise invalid("this field is required", name)
    for name in ("tools", "response_format"):
        if name in fields and len(memoryview(fields[name])) > SCHEMAS_BYTES_MAX:
            raise invalid(f"larger than {SCHEMAS_BYTES_MAX} bytes", name)
    values = {name: decoded(CHECKED[name], raw, name) for name, raw in fields.items() if name in CHECKED}
    _check_numbers(values)
    for name, reason in UNSUPPORTED.items():
        if name in fields and bytes(fields[name]) not in NOTHING:
            raise invalid(f"not supported: {reason}", name)
    for index, tool in enumerate(values.get("tools") or ()):
        if tool.type == "function" and tool.function is None:
            raise invalid("this field is required", f"tools[{index}].function")
    return values


def _check_numbers(values: dict[str, Any]) -> None:
    for name in WHOLE:
        value = values.get(name)
        if type(value) is float and not value.is_integer():
            raise invalid("must be an integer", name)
    if (choices := values.get("n")) is not None and not 1 <= choices <= CHOICES_MAX:
        raise invalid(f"must be from 1 to {CHOICES_MAX}", "n")
    for name in ("max_tokens", "max_completion_tokens"):
        if values.get(name) == 0:
            raise invalid("must be at least 1, or -1 for no limit", name)


def _may_have_twins(messages: bytes) -> bool:
    """Return whether a name could be a twin: by scans, as a second decoding of a large body would double the cost."""
    folded = messages.lower()
    names = [b'"%b"' % name.encode() for name in ADDRESS_NAMES]
    return b"\\u" in messages or any(folded.count(name) > messages.count(name) for name in names)


def _check_twins(messages: Raw) -> None:
    """Refuse names in parts that differ from those of an address by case only, which some servers take for them."""
    for index, message in enumerate(_decode_parts(messages)):
        for place, part in enumerate(message.content if isinstance(message.content, list) else ()):
            path = f"messages[{index}].content[{place}]"
            _check_twin(part, path)
            for name in ADDRESSED:
                if name in part and bytes(part[name])[:1] == b"{":
                    _check_twin(_decode_object(part[name]), f"{path}.{name}")


def _check_twin(names: Iterable[str], path: str) -> None:
    for name in names:
        folded = name.casefold()
        if folded != name and folded in ADDRESS_NAMES:
            raise invalid(f"this name differs from {folded!r} by case only", f"{path}.{ascii(name[:64])[1:-1]}")


def _attached(part: _Part, path: str) -> tuple[int, int]:
    """Bytes of the body that are no text, and the tokens that they count as. Raises for an address of another kind."""
    if part.type == "text" and part.text is None:
        raise invalid("this field is required", f"{path}.text")
    if part.type == "image_url" and part.image_url is None:
        raise invalid("this field is required", f"{path}.image_url")
    size = tokens = 0
    for name in ("image_url", "video_url", "audio_url"):
        found: _Url | str | None = getattr(part, name)
        if found is None:
            continue
        url, where = (found, f"{path}.{name}") if isinstance(found, str) else (found.url, f"{path}.{name}.url")
        if _URL.match(url) is None:
            raise invalid("must be an https: or a data: URL", where)
        data = len(url) if _MEDIA.match(url) else 0
        size += data
        tokens += TOKENS_PER_IMAGE if name == "image_url" else media_tokens(data)
    if part.file is not None:
        file = part.file.file_data or ""
        data = len(file) if _MEDIA.match(file) else 0
        size += data
        tokens += file_tokens(data)
    if part.input_audio is not None:
        data = len(part.input_audio.data or "")
        size += data
        tokens += media_tokens(data)
    return size, tokens
