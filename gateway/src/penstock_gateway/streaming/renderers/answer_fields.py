"""Puts fields of a provider's answer that have no event where the provider had them: JSON objects into JSON objects.

A streaming client receives each piece as the provider sent it. For a whole answer the pieces are joined by the rules of
OpenAI's own stream helpers: texts are appended, objects joined, list items joined with those of the same `index`.
"""

import json
from typing import Any

from penstock_contract.stream.events import AnswerFields

STICKY_LENGTH_MAX = 128
"""OpenAI repeats `system_fingerprint` and `service_tier` in each chunk, and its helpers keep the last value. A longer
text, a list or an object is sent once, and again at the end."""
OWN = frozenset(
    {
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "error",
        "index",
        "delta",
        "message",
        "finish_reason",
        "role",
        "content",
        "refusal",
        "reasoning_content",
        "tool_calls",
    }
)
KEPT = frozenset({"type", "id", "index", "format", "role", "signature", "url", "title"})
"""Texts that are names: a second piece repeats them, and they are not appended."""


def fields_of(data: bytes) -> dict[str, Any]:
    """Decode fields. Integers beyond 64 bits become floats, because the encoder of answers has no larger integers."""
    found = decode_json(data) if data else {}
    return found if isinstance(found, dict) else {}


def decode_json(data: bytes | str) -> Any:
    """Decode JSON of any size for the encoder of answers. Raises `ValueError` or `RecursionError`."""
    return json.loads(data, parse_int=_integer)


def fields_of_event(event: AnswerFields) -> dict[str, Any]:
    """The fields that this dialect's renderer does not write itself."""
    return {name: value for name, value in fields_of(event.fields).items() if name not in OWN}


def sticky(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that every further chunk repeats."""
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= STICKY_LENGTH_MAX)
    }


def beside(known: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """`known` with the further fields, at every level; a known value stays."""
    merged = dict(known)
    for name, value in fields.items():
        mine = known.get(name)
        if isinstance(mine, dict) and isinstance(value, dict):
            merged[name] = beside(mine, value)
        elif mine is None:
            merged[name] = value
    return merged


def join(whole: dict[str, Any], piece: dict[str, Any]) -> None:
    """Add a delta's fields to those before it."""
    for name, value in piece.items():
        mine = whole.get(name)
        if mine is None:
            whole[name] = [*value] if isinstance(value, list) else {**value} if isinstance(value, dict) else value
        elif isinstance(mine, str) and isinstance(value, str) and name not in KEPT:
            whole[name] = mine + value
        elif isinstance(mine, dict) and isinstance(value, dict):
            join(mine, value)
        elif isinstance(mine, list) and isinstance(value, list):
            _join_items(mine, value)
        elif value is not None:
            whole[name] = value


def _join_items(whole: list[Any], piece: list[Any]) -> None:
    for item in piece:
        before = whole[-1] if whole else None
        if (
            isinstance(item, dict)
            and isinstance(before, dict)
            and "index" in item
            and before.get("index") == item["index"]
            and before.get("type") == item.get("type")
        ):
            whole[-1] = {**before}
            join(whole[-1], item)
        else:
            whole.append(item)


def _integer(text: str) -> float:
    number = int(text)
    return number if -(2**63) <= number < 2**64 else float(number)
