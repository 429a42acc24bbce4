# ruff: noqa: INP001 - a script
"""Writes client-ts/src/contract.ts and client-ts/src/endpoints.ts from the contract: `make types`.

A Struct becomes an interface. In a request a field with a default is optional; in an answer it is always present,
unless the server leaves it out. A Struct that both use and that differs is written twice: `ToolCall` and
`ToolCallParam`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import inspect

from penstock_contract import endpoints
from penstock_contract.endpoints import Endpoint, StreamEndpoint
from penstock_contract.error_codes import ERRORS
from penstock_contract.errors import ErrorBody

SOURCES: Final = Path(__file__).parent / "src"
HEAD: Final = "// Written by `make types` from the Structs of penstock_contract. Do not edit.\n"
PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
Mode = Literal["request", "answer"]
Declared = Endpoint[Any, Any] | StreamEndpoint[Any, Any]

SCALARS: Final[dict[type[inspect.Type], str]] = {
    inspect.AnyType: "unknown",
    inspect.RawType: "unknown",
    inspect.NoneType: "null",
    inspect.BoolType: "boolean",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.BytesType: "string",
    inspect.ByteArrayType: "string",
    inspect.DateTimeType: "string",
    inspect.DecimalType: "string",
    inspect.UUIDType: "string",
}


class UnsupportedTypeError(TypeError):
    """A type that has no form in TypeScript yet; the message names it."""


class Used(NamedTuple):
    """The Structs of requests and those of answers, each in the order in which they are found."""

    request: dict[type, inspect.StructType]
    answer: dict[type, inspect.StructType]


def contract() -> str:
    """The text of contract.ts: every Struct of the endpoints, and the table of errors."""
    used = _used()
    twice = _differing(used)
    written: dict[str, str] = {}
    for mode in ("answer", "request"):
        for struct in getattr(used, mode).values():
            name = _name(struct.cls, mode, twice)
            written.setdefault(name, _interface(struct, name, mode, twice))
    for name, one in _declared():
        if (alias := _alias(name, one)) is not None:
            members = _type(inspect.type_info(_answer(one)), "answer", twice).replace(" | ", "\n  | ")
            written[alias] = f"export type {alias} =\n  | {members}\n"
    return "\n".join([HEAD, *(written[name] for name in sorted(written)), _errors()])


def table() -> str:
    """The text of endpoints.ts."""
    twice = _differing(_used())
    lines = [_entry(name, one, twice) for name, one in _declared()]
    imports = "import type * as T from './contract.js'\nimport { answer, stream } from './endpoint.js'\n"
    table = f"export const endpoints = {{\n{''.join(lines)}}} as const\n"
    return f"{HEAD}\n{imports}\n{table}\nexport type Endpoints = typeof endpoints\n"


def _declared() -> Iterator[tuple[str, Declared]]:
    for name, one in vars(endpoints).items():
        if isinstance(one, Endpoint | StreamEndpoint):
            yield name, one


def _entry(name: str, one: Declared, twice: set[type]) -> str:
    request, implied = "void", dict(one.implied)
    if one.request is not NoneType:
        request = _type(inspect.type_info(one.request), "request", twice, "T.")
        if implied:
            request = f"Omit<{request}, {' | '.join(map(_quoted, implied))}>"
    alias = _alias(name, one)
    result = f"T.{alias}" if alias else _type(inspect.type_info(_answer(one)), "answer", twice, "T.")
    parameters = PARAMETER.findall(one.path)
    fields = f", {{ {'; '.join(f'{each}: string' for each in parameters)} }}" if parameters else ""
    path = PARAMETER.sub(r"{\1}", one.path)
    values = [f"method: '{one.method}'", f"path: '{path}'"]
    if one.request is not NoneType:
        values.append("query: true" if one.method == "GET" else "body: true")
    if implied:
        values.append(f"implied: {{ {', '.join(f'{key}: {_value(value)}' for key, value in implied.items())} }}")
    if isinstance(one, Endpoint) and one.answers != (200,):
        values.append(f"statuses: [{', '.join(map(str, one.answers))}]")
    made = f"{'stream' if isinstance(one, StreamEndpoint) else 'answer'}<{request}, {result}{fields}>"
    listed = "".join(f"    {value},\n" for value in values)
    return f"  {_camel(name)}: {made}({{\n{listed}  }}),\n"


def _answer(one: Declared) -> Any:
    return one.chunk if isinstance(one, StreamEndpoint) else one.response


def _alias(name: str, one: Declared) -> str | None:
    """The name of an answer that is one of several Structs, which has none in Python."""
    if not isinstance(inspect.type_info(_answer(one)), inspect.UnionType):
        return None
    camel = _camel(name)
    return camel[0].upper() + camel[1:] + ("Chunk" if isinstance(one, StreamEndpoint) else "Answer")


def _used() -> Used:
    used = Used({}, {})
    for _, one in _declared():
        for type_, found in ((one.request, used.request), (_answer(one), used.answer)):
            if type_ is not NoneType:
                _collect(inspect.type_info(type_), found)
    _collect(inspect.type_info(ErrorBody), used.answer)
    return used


def _collect(type_: inspect.Type, found: dict[type, inspect.StructType]) -> None:
    if isinstance(type_, inspect.StructType):
        if type_.cls in found:
            return
        found[type_.cls] = type_
    for inner in _inner(type_):
        _collect(inner, found)


def _inner(type_: inspect.Type) -> Iterator[inspect.Type]:
    match type_:
        case inspect.Metadata():
            yield type_.type
        case inspect.StructType():
            yield from (field.type for field in type_.fields)
        case inspect.UnionType():
            yield from type_.types
        case inspect.DictType():
            yield from (type_.key_type, type_.value_type)
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            yield type_.item_type
        case inspect.TupleType():
            yield from type_.item_types
        case _:
            pass


def _differing(used: Used) -> set[type]:
    """The Structs of both sides whose two forms differ, by themselves or by a Struct inside."""
    both = {cls: struct for cls, struct in used.request.items() if cls in used.answer}
    differing = {
        cls
        for cls, struct in both.items()
        if _interface(struct, "", "request", set()) != _interface(struct, "", "answer", set())
    }
    while True:
        more = {cls for cls, struct in both.items() if differing & _structs_inside(struct)} - differing
        if not more:
            return differing
        differing |= more


def _structs_inside(struct: inspect.StructType) -> set[type]:
    found: dict[type, inspect.StructType] = {}
    _collect(struct, found)
    return set(found)


def _name(cls: type, mode: Mode, twice: set[type]) -> str:
    return f"{cls.__name__}Param" if mode == "request" and cls in twice else cls.__name__


def _interface(struct: inspect.StructType, name: str, mode: Mode, twice: set[type]) -> str:
    if struct.array_like:
        raise UnsupportedTypeError(f"{struct.cls.__name__} is array-like")
    lines = [_comment(struct.cls), f"export interface {name} {{\n"]
    if struct.tag_field is not None:
        lines.append(f"  {struct.tag_field}: {_value(struct.tag)}\n")
    for field in struct.fields:
        mark = "?" if _optional(field, struct.cls, mode) else ""
        key = field.encode_name if field.encode_name.isidentifier() else _quoted(field.encode_name)
        lines.append(f"  {key}{mark}: {_type(field.type, mode, twice)}\n")
    return "".join([*lines, "}\n"])


def _optional(field: inspect.Field, cls: type[msgspec.Struct], mode: Mode) -> bool:
    if mode == "request":
        return not field.required
    # inspect shows the default UNSET, with which a server leaves a field out, as no default.
    unset = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
    return not field.required and (unset or bool(cls.__struct_config__.omit_defaults))


def _type(type_: inspect.Type, mode: Mode, twice: set[type], prefix: str = "") -> str:
    inner: Callable[[inspect.Type], str] = lambda one: _type(one, mode, twice, prefix)  # noqa: E731 - the same arguments
    match type_:
        case inspect.Metadata():
            return inner(type_.type)
        case inspect.StructType():
            return prefix + _name(type_.cls, mode, twice)
        case inspect.UnionType():
            return " | ".join(dict.fromkeys(map(inner, type_.types)))
        case inspect.LiteralType():
            return " | ".join(map(_value, type_.values))
        case inspect.EnumType():
            return " | ".join(_value(one.value) for one in type_.cls)
        case inspect.DictType():
            return f"Record<string, {inner(type_.value_type)}>"
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            item = inner(type_.item_type)
            made = f"({item})[]" if " | " in item else f"{item}[]"
            return f"readonly {made}" if mode == "request" else made
        case inspect.TupleType():
            made = f"[{', '.join(map(inner, type_.item_types))}]"
            return f"readonly {made}" if mode == "request" else made
        case _ if type(type_) in SCALARS:
            return SCALARS[type(type_)]
        case _:
            raise UnsupportedTypeError(f"no form in TypeScript for {type_}")


def _comment(cls: type) -> str:
    text = cls.__dict__.get("__doc__")
    if not text:
        return ""
    lines = [line.strip() for line in text.replace("*/", "* /").strip().splitlines()]
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "".join(["/**\n", *(f" * {line}".rstrip() + "\n" for line in lines), " */\n"])


def _errors() -> str:
    lines = [
        f"  {code}: {{ status: {kind.status}, retryable: {_value(kind.retryable)} }},\n"
        for code, kind in ERRORS.items()
    ]
    return (
        "/** Every error code of the API with its HTTP status; docs/reference/errors.md has the meanings. */\n"
        f"export const errors = {{\n{''.join(lines)}}} as const\n\nexport type ErrorCode = keyof typeof errors\n"
    )


def _value(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else msgspec.json.encode(value).decode()


def _quoted(text: str) -> str:
    return "'" + msgspec.json.encode(text).decode()[1:-1].replace("'", "\\'").replace('\\"', '"') + "'"


def _camel(name: str) -> str:
    first, *others = name.lower().split("_")
    return first + "".join(map(str.capitalize, others))


if __name__ == "__main__":
    (SOURCES / "contract.ts").write_text(contract(), "utf-8")
    (SOURCES / "endpoints.ts").write_text(table(), "utf-8")
