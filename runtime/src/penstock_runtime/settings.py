"""Settings come from environment variables, one flat Struct per deployable; this turns one into the other.

A field `nats_url` is read from `PENSTOCK_NATS_URL`. Bounds are in the field's type, reasons beside it.
"""

from collections.abc import Mapping
from types import UnionType
from typing import Literal, TypeAlias, TypeVar, Union, get_args, get_origin

import msgspec

PREFIX = "PENSTOCK_"

LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

Settings = TypeVar("Settings", bound=msgspec.Struct)


class InvalidSettings(Exception):  # noqa: N818
    """A variable is missing or out of bounds; the message names it."""


def variable(field: str) -> str:
    return PREFIX + field.upper()


def load(kind: type[Settings], environ: Mapping[str, str]) -> Settings:
    """Read `kind` from `environ`; raises `InvalidSettings`."""
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        name = variable(field.name)
        if name in environ:
            try:
                values[field.name] = msgspec.convert(environ[name], field.type, strict=False)
            except msgspec.ValidationError as error:
                raise InvalidSettings(f"{name}: {_problem(field.type, environ[name], error)}") from error
        elif field.required:
            raise InvalidSettings(f"{name} is not set")
    return kind(**values)


def _problem(kind: object, value: str, error: msgspec.ValidationError) -> str:
    """The problem of a value, with the allowed words, which msgspec's message lacks."""
    choices = [kind, *get_args(kind)] if get_origin(kind) in {Union, UnionType} else [kind]
    if (words := next((get_args(choice) for choice in choices if get_origin(choice) is Literal), None)) is not None:
        return f"{value!r} is not one of {', '.join(words)}"
    return str(error)
