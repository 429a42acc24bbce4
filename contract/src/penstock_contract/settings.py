"""Settings come from environment variables, one flat Struct per deployable; this turns one into the other.

A field `nats_url` is read from `PENSTOCK_NATS_URL`. Bounds are in the field's type, reasons beside it.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

PREFIX = "PENSTOCK_"

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
                raise InvalidSettings(f"{name}: {error}") from error
        elif field.required:
            raise InvalidSettings(f"{name} is not set")
    return kind(**values)
