"""JSON that a decoder may stumble over, put in the place of each value of a document, one after the other."""

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any, Final

ODD: Final = (
    "null",
    "true",
    "0",
    "-1",
    "1.0",
    "1.5",
    "-0.0",
    "1e400",
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775809",
    "1" + "0" * 400,
    '""',
    '"\\ud83d"',
    '"a\\u0000b"',
    '"\\udc00\\ud800"',
    '"' + "x" * 3000 + '"',
    "[]",
    "{}",
    "[null]",
    '{"\\ud83d": 1}',
    "[" * 60 + "]" * 60,
)
"""Beyond 64 bits, floats for integers, beyond a double, lone surrogates, empty, nested, and each type."""
_MARK: Final = "@odd@"


def variants(document: Any, *, seed: str, most: int) -> Iterator[tuple[str, str]]:
    """At most `most` documents as JSON text, each with one odd value; with the place and value, for messages.

    Every place gets values from a generator that begins with `seed`, the same in every run.
    """
    dice = random.Random(seed)
    values = {place: dice.sample(ODD, len(ODD)) for place in _places(document, ())}
    # Each place has one before any has two.
    rounds = ((place, odd[index]) for index in range(len(ODD)) for place, odd in values.items())
    for place, odd in itertools.islice(rounds, most):
        text = json.dumps(_with(document, place, _MARK)).replace(json.dumps(_MARK), odd, 1)
        yield f"{'.'.join(map(str, place))} = {odd[:40]}", text


def _places(value: Any, above: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if above:
        yield above
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from _places(inner, (*above, key))


def _with(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    first, *rest = place
    copy = value.copy()
    copy[first] = _with(value[first], tuple(rest), new)
    return copy
