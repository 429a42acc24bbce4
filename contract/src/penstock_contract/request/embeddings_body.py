"""An OpenAI embeddings body as a client sent it: checked, counted, and kept as bytes.

Token numbers are checked and counted without decoding them: two million of them would hold the event loop for longer
than another stream's token may be late. Pure; every function raises `PenstockError` `invalid_request`.
"""

import re
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from penstock_contract.request.input_size import text_bytes, text_tokens
from penstock_contract.request.json_body import Fields, decoded, fields_of, invalid, without_mark
from penstock_contract.request.operations import INPUTS_MAX, EmbeddingsOperation, ModelName, NonEmpty

CHECKED: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "model": ModelName,
        "encoding_format": Literal["float", "base64"] | None,
        "dimensions": Annotated[int, Meta(ge=1, le=65536)] | Annotated[float, Meta(ge=1, le=65536)] | None,
        "user": str | None,
    }.items()
}
_TEXTS: Final = msgspec.json.Decoder(NonEmpty | Annotated[list[NonEmpty], Meta(min_length=1, max_length=INPUTS_MAX)])
_FIRST: Final = re.compile(rb"[\s\[]*(.)", re.DOTALL)
_SPACE: Final = b" \t\r\n"
_DIGITS: Final = b"0123456789"
_ZEROS: Final = bytes.maketrans(_DIGITS, b"0" * 10)
TOKEN_DIGITS_MAX: Final = 10


class EmbeddingsBody(Struct, frozen=True):
    """`count` is how many vectors the answer has to have; `base64` their form in the response."""

    model: str
    operation: EmbeddingsOperation
    encoding_format: Literal["float", "base64"]
    fields: tuple[str, ...]


def read_embeddings(body: bytes) -> EmbeddingsBody:
    """Check a client's body and make the operation of it."""
    body = without_mark(body)
    fields = fields_of(body)
    for name in ("model", "input"):
        if name not in fields:
            raise invalid("this field is required", name)
    values = {name: decoded(CHECKED[name], raw, name) for name, raw in fields.items() if name in CHECKED}
    dimensions = values.get("dimensions")
    if type(dimensions) is float and not dimensions.is_integer():
        raise invalid("must be an integer", "dimensions")
    count, tokens = _input(fields)
    rest = text_bytes(body) - len(memoryview(fields["input"]))
    if tokens is None:
        tokens, rest = 0, text_bytes(body)
    return EmbeddingsBody(
        model=values["model"],
        operation=EmbeddingsOperation(body=body, input_tokens=tokens + text_tokens(max(0, rest)), count=count),
        encoding_format=values.get("encoding_format") or "float",
        fields=tuple(fields),
    )


def plain_embeddings(text: str) -> EmbeddingsOperation:
    """The operation of one text."""
    body = msgspec.json.encode({"input": text})
    return EmbeddingsOperation(body=body, input_tokens=text_tokens(len(body)), count=1)


def _input(fields: Fields) -> tuple[int, int | None]:
    """The number of vectors and of token numbers; None for texts."""
    raw = fields["input"]
    first = _FIRST.match(raw)
    if first is not None and first[1] in _DIGITS:
        return _numbers(raw)
    texts = decoded(_TEXTS, raw, "input")
    return (1 if isinstance(texts, str) else len(texts)), None


def _numbers(raw: Raw) -> tuple[int, int]:
    """One list of numbers, or several. The JSON is valid already: counting its brackets and commas is enough."""
    data = bytes(raw).translate(None, _SPACE)
    brackets = data.translate(None, _DIGITS + b",")
    lists = brackets.count(b"[") - 1
    if brackets.translate(None, b"[]") or not data.startswith(b"["):
        raise invalid("must be texts, or non-negative integers as tokens; not both", "input")
    nested = brackets == b"[" + b"[]" * lists + b"]"
    if not nested or (lists and (not data.startswith(b"[[") or data.count(b"],[") != lists - 1 or data[-2:] != b"]]")):
        raise invalid("must be one list of tokens, or a list of such lists", "input")
    if b"[]" in data:
        raise invalid("a list of tokens must not be empty", "input")
    if lists > INPUTS_MAX:
        raise invalid(f"at most {INPUTS_MAX} texts at once", "input")
    if b"0" * (TOKEN_DIGITS_MAX + 1) in data.translate(_ZEROS):
        raise invalid(f"a token is a number of at most {TOKEN_DIGITS_MAX} digits", "input")
    return max(1, lists), data.count(b",") + 1
