"""Lenient readers of a provider's JSON: each accepts a value of any type, and none raises.

A good answer is not thrown away because of an odd number, null or type. What cannot be read is `None` or empty, and the
adapter decides what that means. The adapters decode typed first; this is the way for what the typed decoder refuses.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

COUNT_MAX = 2**53
"""The largest integer that every JSON reader keeps exactly (RFC 8259 §6)."""
DIGITS_MAX = 4_000
"""Python refuses to read longer integers."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _integer(text: str) -> int | float | None:
    return int(text) if len(text) <= DIGITS_MAX else _number(text)


def _number(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


_decoder = json.JSONDecoder(
    parse_int=_integer,
    parse_float=_number,
    # NaN and Infinity are no JSON; a reader of what we write would refuse them.
    parse_constant=lambda _: None,
    # A line end or tab inside a text is no JSON either, and means what it is.
    strict=False,
)
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def values(data: bytes) -> Iterator[Any]:
    """The JSON values in `data`, one after the other. Raises `ValueError` or `RecursionError` where there is none.

    Lone surrogate escapes are kept: see `mended`.
    """
    text = data.removeprefix(BYTE_ORDER_MARK).decode()
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        value, place = _decoder.raw_decode(text, place)
        yield value


def count(value: object) -> int | None:
    """A number of tokens, or an index: 0 to 2^53, rounded; None for any other value."""
    if isinstance(value, str):
        try:
            value = float(value[:400])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(_as_float(value)):
        return None
    whole = round(value)
    return whole if 0 <= whole <= COUNT_MAX else None


def _as_float(value: float) -> float:
    return value if isinstance(value, float) else 0.0


def text(value: object) -> str:
    """A text; a number becomes its digits, everything else is empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of a list, or a single object in place of a list."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def json_text(value: object) -> str:
    """JSON as text: text stays as it is, anything but null is encoded."""
    if value is None or isinstance(value, str):
        return value or ""
    return encoded(value)


def encoded(value: object) -> str:
    """Compact JSON that every reader accepts."""
    return mended(_encoder.encode(value))


def mended(words: str) -> str:
    """Join adjacent surrogate halves to their character; a lone half becomes U+FFFD."""
    return words.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def meant(value: object) -> bool:
    """True for a value with content; null, false, 0, "" and containers of these have none."""
    if isinstance(value, dict):
        return any(meant(item) for item in value.values())
    if isinstance(value, list):
        return any(meant(item) for item in value)
    return bool(value)


class Halves:
    """Joins characters whose surrogate halves came in two pieces, per kind of text (servers in JavaScript cut so)."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[object, str] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def join(self, kind: object, piece: str) -> str:
        """The text that can be emitted of `piece` and of the half held before; a half at its end is held."""
        if not piece:
            return ""
        piece = self._held.pop(kind, "") + piece
        if "\ud800" <= piece[-1] <= "\udbff":
            self._held[kind] = piece[-1]
            piece = piece[:-1]
        return mended(piece)

    def left(self) -> list[object]:
        """The kinds of text that end in half a character; each gets a U+FFFD."""
        kinds = list(self._held)
        self._held.clear()
        return kinds
