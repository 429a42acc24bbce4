"""Describes the error of a ModelRoute document, with the correction.

msgspec reports the place; its message is for programmers (a regex of 250 characters). Pure: depends on the
types of the contract and opens no file.
"""

import difflib
import re
import types
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from penstock_contract.route.pod.containers import Quantity, VariableName
from penstock_contract.route.request_additions import HeaderToken, JsonText, QueryName, VisibleText
from penstock_contract.route.spec import ModelRoute
from penstock_contract.route.validation import NAME
from penstock_contract.route.values import DnsLabel, NamespaceName, PrintableName, Url

_AT = re.compile(r"^(?P<problem>.*) - at `\$\.?(?P<field>.*)`$", re.DOTALL)
# A name, a list's index, or `[...]` for some value of a mapping.
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
_SECRETS: Final = frozenset({"apikey", "key", "token", "secret", "apitoken", "password", "authorization"})
_REFER: Final = "a key is not written here but referred to, as in secretKeyRef: {name: openai, key: api-key}"
_TEXTS: Final = {
    Url: "must be like http://host:port/v1 or https://host/v1",
    DnsLabel: NAME.message.partition(": ")[2],
    NamespaceName: "must be lower-case letters, digits and hyphens, at most 63",
    PrintableName: "must be 1 to 256 characters, and no control character",
    HeaderToken: "must be a header's name in lower case, at most 64 characters, as in http-referer",
    JsonText: "must be JSON text of at most 8192 characters in quotes, as in 'false' or '\"flex\"'",
    QueryName: "must be letters, digits and . _ ~ $ [ ] -, at most 64",
    VisibleText: "must be 1 to 1024 visible ASCII characters, without blanks around them",
    VariableName: "must be letters, digits and _, at most 253, as in HTTPS_PROXY",
    Quantity: "must be a quantity of Kubernetes, like 2, 500m or 1Gi",
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
    if text.startswith("Expected") and kind in _TEXTS:
        problem_text = _TEXTS[kind]
    elif unknown := _UNKNOWN.match(text):
        problem_text = _unknown(unknown["name"], kind)
    elif missing := _MISSING.match(text):
        problem_text = f"the field {missing['name']} is missing"
    else:
        problem_text = text.replace("`", "")
    where = path.removeprefix("spec.")
    return f"{where}: {problem_text}" if where else problem_text


def _steps(path: str) -> _Steps:
    return [name or (int(index) if index.isdigit() else index) for name, index in _STEP.findall(path)]


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
    kind: Any = ModelRoute
    for step in steps:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = _bare(_fields(kind).get(str(step)))
        else:
            kind = _bare(get_args(kind)[-1])
    return kind


def _bare(kind: Any) -> Any:
    """Without its None and its description; a text keeps its bounds, by which a Url is recognised."""
    if get_origin(kind) is Annotated:
        inner, bounds, *_ = get_args(kind)
        return Annotated[inner, bounds] if inner is str else _bare(inner)
    if get_origin(kind) in {Union, types.UnionType}:
        choices = [choice for choice in get_args(kind) if choice is not types.NoneType]
        return _bare(choices[0]) if len(choices) == 1 else kind
    return kind


def _value_at(document: object, steps: _Steps) -> object:
    value: Any = document
    for step in steps:
        value = value[step]
    return value
