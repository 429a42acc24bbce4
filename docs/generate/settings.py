"""Tables of docs/reference/settings.md: variables of the processes, options of `penstock dev`."""

import argparse

from msgspec import Struct

from generate.fields import default_words, description, struct, type_words
from generate.page import table
from penstock_local import __main__ as dev
from penstock_runtime.settings import variable


def variables(kind: type[Struct]) -> str:
    return table(
        ("variable", "type", "default", "meaning"),
        (
            (f"`{variable(field.name)}`", type_words(field.type), default_words(field), description(kind, field))
            for field in struct(kind).fields
        ),
    )


def options() -> str:
    """Of `penstock dev`."""
    return table(
        ("option", "default", "meaning"),
        (
            (", ".join(f"`{option}`" for option in action.option_strings), _default(action), _help(action))
            for action in dev.parser()._actions  # noqa: SLF001 - argparse has no public list of its options
        ),
    )


def _default(action: argparse.Action) -> str:
    return f"`{action.default}`" if action.default not in (None, False, [], argparse.SUPPRESS) else "none"


def _help(action: argparse.Action) -> str:
    text, _, _ = (action.help or "").partition(" (default:")
    return f"{text[:1].upper()}{text[1:]}."
