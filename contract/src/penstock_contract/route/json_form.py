"""The JSON form of a ModelRoute's Structs, as the API server stores it. Pure."""

from collections.abc import Container
from typing import Any

import msgspec


def with_defaults(value: Any, only: Container[str] | None = None) -> Any:
    """The JSON form with every default present and what is unset absent: what CEL on the API server sees.

    With `only` the fields of other names are left out.
    """
    if isinstance(value, msgspec.Struct):
        return {
            encoded: with_defaults(getattr(value, name), only)
            for name, encoded in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
            if getattr(value, name) is not None and (only is None or encoded in only)
        }
    if isinstance(value, list):
        return [with_defaults(item, only) for item in value]
    return value
