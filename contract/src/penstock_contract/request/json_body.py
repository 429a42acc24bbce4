"""A client's JSON body, read at its top level only: names and, per name, the bytes as they came.

What is nested is read by `chat_body` and `embeddings_body`, where it has to be checked. Everything else keeps its
bytes, so that a provider of the same dialect gets what the client sent. Every function raises `PenstockError`.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError

Fields = dict[str, Raw]

LARGE_BODY_BYTES: Final = 256 * 1024
"""Beyond this the number of strings is bounded before anything is decoded."""
STRINGS_MAX: Final = 100_000
"""Strings, names included, in a large body. To decode one field costs about 0.5 µs, and no other stream is served
meanwhile."""
FIELDS_MAX: Final = 256
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
GZIP: Final = b"\x1f\x8b"
HALF: Final = re.compile(rb"(?i)\\ud[89ab]..(?!\\ud[c-f])|(?<!\\ud[89ab]..)\\ud[c-f]")

_decode_fields = msgspec.json.Decoder(Fields).decode


def invalid(message: str, param: str | None = None) -> PenstockError:
    return PenstockError("invalid_request", f"{param}: {message}" if param else message, param=param)


def without_mark(body: bytes) -> bytes:
    """The body less a byte-order mark, which RFC 8259 §8.1 lets a reader ignore and most providers refuse."""
    return body[3:] if body.startswith(BYTE_ORDER_MARK) else body


def fields_of(body: bytes) -> Fields:
    """The top level. Of a name that comes twice the last one counts, here and in what is sent."""
    if len(body) > LARGE_BODY_BYTES and body.count(b'"') > 2 * STRINGS_MAX and _strings(body) > STRINGS_MAX:
        raise invalid(f"the request's body holds more than {STRINGS_MAX} strings; send less at once")
    try:
        if not body.isascii():
            body.decode()  # what is not decoded below may be no UTF-8
        fields = _decode_fields(body)
    except msgspec.ValidationError:
        raise invalid("the request's body must be a JSON object") from None
    except UNREADABLE as error:
        raise invalid(_unreadable(body, error)) from None  # without its cause, which would carry the bytes
    if len(fields) > FIELDS_MAX:
        raise invalid(f"the request's body has more than {FIELDS_MAX} fields")
    return fields


def decoded(decoder: "msgspec.json.Decoder[Any]", raw: Raw | bytes, name: str) -> Any:
    """A field's value; an error names the path to what is wrong in it."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _wrong(str(error), name) from None
    except UNREADABLE as error:
        raise invalid(_unreadable(bytes(raw), error), name) from None


def _wrong(text: str, name: str) -> PenstockError:
    reason, _, path = text.partition(" - at `")
    param = (name + path.removesuffix("`").removeprefix("$")).removeprefix(".")
    if reason.startswith("Object missing required field `"):
        return invalid("this field is required", f"{param}.{reason[31:-1]}" if param else reason[31:-1])
    return invalid(reason, param or None)


def _strings(body: bytes) -> int:
    """Count the strings of the body, or a few more: quotes that are not escaped, by three scans."""
    return (body.count(b'"') - body.count(b'\\"') + body.count(b'\\\\"')) // 2


def _unreadable(body: bytes, error: Exception) -> str:
    if body.startswith(GZIP):
        return "the request's body is compressed; send plain JSON"
    if isinstance(error, RecursionError):
        return "the request's body is nested too deeply"
    if HALF.search(body):
        return "the request's body is not valid text: a \\u escape is half of a surrogate pair, as of a cut emoji"
    return "the request's body is not valid JSON"
