"""Tables of docs/reference/settings.md: variables of the processes."""

from msgspec import Struct

from generate.fields import default_words, description, struct, type_words
from generate.page import table
from penstock_runtime.settings import variable


def variables(kind: type[Struct]) -> str:
    return table(
        ("variable", "type", "default", "meaning"),
        (
            (f"`{variable(field.name)}`", type_words(field.type), default_words(field), description(kind, field))
            for field in struct(kind).fields
        ),
    )
