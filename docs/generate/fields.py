"""Type, default and description of a Struct's fields, in the words of the reference."""

import ast
import inspect
import re
import textwrap
from functools import cache
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.inspect import (
    AnyType,
    BoolType,
    DateTimeType,
    DictType,
    Field,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from penstock_contract.route.request_additions import HeaderToken, QueryName, VisibleText
from penstock_contract.route.status import Reason
from penstock_contract.route.values import ApiVersion, DnsLabel, HeaderName, PrintableName, Url
from penstock_contract.route.worker import VariableName
from penstock_contract.subjects import TOKEN
from penstock_contract.usage.money import PerMillion
from penstock_gateway.settings import AdminToken, FirstKeySecret
from penstock_operator.settings import SecretName

PATTERNS = {
    info.pattern: name
    for alias, name in (
        (DnsLabel, "DNS label"),
        (HeaderName, "lower-case header name"),
        (HeaderToken, "header name in lower case"),
        (QueryName, "name of a query parameter"),
        (VisibleText, "visible ASCII"),
        (Url, "http(s) URL"),
        (PrintableName, "text without control characters"),
        (ApiVersion, "date of an API"),
        (AdminToken, "32 to 512 visible characters"),
        (FirstKeySecret, "API key"),
        (PerMillion, "decimal number"),
        (VariableName, "name of a variable"),
        (SecretName, "name of a Secret"),
        (Reason, "one word"),
    )
    if isinstance(info := type_info(alias), StrType)
} | {rf"^{TOKEN.pattern}\Z": "1 to 63 letters, digits, `-` and `_`"}


class UndescribedError(ValueError):
    """A field has no description; the message names it."""


def struct(kind: type[Struct]) -> StructType:
    info = type_info(kind)
    assert isinstance(info, StructType)
    return info


def description(kind: type[Struct], field: Field) -> str:
    """The `description` in the field's type, else the docstring below the field. Raises `UndescribedError`."""
    schema = (field.type.extra_json_schema or {}) if isinstance(field.type, Metadata) else {}
    found = schema.get("description") or docstrings(kind).get(field.name)
    if found is None:
        raise UndescribedError(f"{kind.__name__}.{field.name}")
    return str(found)


@cache
def docstrings(kind: type[Struct]) -> dict[str, str]:
    """The string below each field of the class, in one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for statement, below in zip(body.body, body.body[1:], strict=False):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = re.sub(r"\s+", " ", text).strip()
    return found


def plain(type_: Type) -> Type:
    """The type without its None and its description."""
    if isinstance(type_, Metadata):
        return plain(type_.type)
    if not isinstance(type_, UnionType):
        return type_
    inner = [member for member in type_.types if not isinstance(member, NoneType)]
    return plain(inner[0]) if len(inner) == 1 else type_


def type_words(type_: Type) -> str:  # noqa: C901, PLR0912 - one line per kind of type
    match plain(type_):
        case StrType(pattern=str(pattern), max_length=None):
            return PATTERNS[pattern]
        case StrType(pattern=str(pattern), max_length=longest):
            return f"{PATTERNS[pattern]}, at most {longest} characters"
        case StrType(min_length=None, max_length=None):
            return "text"
        case StrType(min_length=None, max_length=longest):
            return f"text, at most {longest} characters"
        case StrType(min_length=shortest, max_length=longest):
            return f"{shortest} to {longest} characters"
        case IntType(ge=lowest, le=None):
            return f"integer ≥ {lowest}"
        case IntType(ge=lowest, le=highest):
            return f"integer {lowest} to {highest}"
        case FloatType(gt=None, ge=lowest, le=highest):
            return f"number {lowest} to {highest}"
        case FloatType(gt=above, le=highest):
            return f"number > {above}, ≤ {highest}"
        case BoolType():
            return "true or false"
        case DateTimeType():
            return "time (RFC 3339)"
        case LiteralType(values=values):
            *others, last = (f"`{value}`" for value in values)
            return f"{', '.join(others)} or {last}" if others else last
        case ListType(item_type=StructType(), min_length=None, max_length=most):
            return f"at most {most} objects"
        case ListType(item_type=StructType(), min_length=least, max_length=most):
            return f"{least} to {most} objects"
        case DictType(value_type=AnyType()):
            return "object"
        case DictType(value_type=UnionType(), max_length=most):
            return f"at most {most} quantities by name"
        case DictType(max_length=most):
            return f"at most {most} texts by name"
        case ListType(item_type=Metadata(), max_length=most):
            return f"at most {most} objects"
        case ListType(item_type=item, max_length=most):
            return f"at most {most}, each {type_words(item)}"
        case StructType():
            return "object"
    raise AssertionError(type_)


def default_words(field: Field) -> str:
    if field.required:
        return "required"
    factory = None if field.default_factory is NODEFAULT else field.default_factory
    value: Any = field.default if field.default is not NODEFAULT else factory and factory()
    match value:
        case None:
            return "not set"
        case "":
            return "none"
        case str():
            return f"`{value}`"
        case float():
            return f"`{value:g}`"
        case _:
            # A Struct whose fields all have their defaults is written as `{}`.
            return f"`{msgspec.json.encode(value).decode()}`"
