"""What is wrong with a ModelRoute document, in words that say what to write instead.

msgspec finds the mistake and says where; its words are a programmer's (a regex of 250 characters). Pure: knows the
types of the contract, no file.
"""

import difflib
import re
import types
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from penstock_contract.route import DnsLabel, ModelRoute, Url

_AT = re.compile(r"^(?P<problem>.*) - at `\$\.?(?P<field>.*)`$", re.DOTALL)
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
_SECRETS: Final = frozenset({"apikey", "key", "token", "secret", "apitoken", "password", "authorization"})
_REFER: Final = "a key is not written here but referred to, as in secretKeyRef: {name: openai, key: api-key}"
_PATTERNS: Final = {
    Url: "must be like http://host:port/v1 or https://host/v1",
    DnsLabel: "must be lower-case letters, digits and hyphens, at most 40, as in my-route",
}
_Steps: TypeAlias = list[str | int]


def problem(document: object, error: msgspec.ValidationError) -> str:
    """One sentence on what `error` found in `document`, with the field's path."""
    at = _AT.match(str(error))
    path, text = (at["field"], at["problem"]) if at else ("", str(error))
    steps = _steps(path)
    kind = _type_at(steps)
    if text.startswith("Invalid enum value") and get_origin(kind) is Literal:
        return _not_one_of(path, steps, document, get_args(kind))
    if text.startswith("Expected `str` matching regex") and kind in _PATTERNS:
        told = _PATTERNS[kind]
    elif unknown := _UNKNOWN.match(text):
        told = _unknown(unknown["name"], kind)
    elif missing := _MISSING.match(text):
        told = f"the field {missing['name']} is missing"
    else:
        told = text.replace("`", "")
    where = path.removeprefix("spec.")
    return f"{where}: {told}" if where else told


def _steps(path: str) -> _Steps:
    return [name or int(index) for name, index in _STEP.findall(path) if name or index.isdigit()]


def _not_one_of(path: str, steps: _Steps, document: object, allowed: tuple[object, ...]) -> str:
    value = _value_at(document, steps)
    if len(allowed) == 1:
        return f"expected {path} {allowed[0]}, got {value!r}"
    return f"{path.removeprefix('spec.')}: {value!r} is not one of {', '.join(map(str, allowed))}"


def _unknown(name: str, kind: object) -> str:
    if name.lower().replace("_", "").replace("-", "") in _SECRETS:
        return f"unknown field {name}: {_REFER}"
    fields = _fields(kind)
    folded = {field.lower(): field for field in fields}
    close = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), folded, n=1)
    return f"unknown field {name}, " + (f"did you mean {folded[close[0]]}?" if close else f"known are {_and(fields)}")


def _and(words: Iterable[str]) -> str:
    return ", ".join(words)


def _fields(kind: object) -> dict[str, Any]:
    """Field types of a Struct by the names that a file uses."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}


def _type_at(steps: _Steps) -> Any:
    """The field's type; without its None, but with the bounds that tell a Url from any other text."""
    kind: Any = ModelRoute
    for step in steps:
        kind = _plain(kind)
        kind = get_args(kind)[0] if isinstance(step, int) else _fields(kind).get(step)
        kind = _without_none(kind)
    return kind if kind in _PATTERNS else _plain(kind)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in {Union, types.UnionType}:
        return next(choice for choice in get_args(kind) if choice is not types.NoneType)
    return kind


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _value_at(document: object, steps: _Steps) -> object:
    value: Any = document
    for step in steps:
        value = value[step]
    return value
