"""The reference page of each command, from its parser: usage, options and examples."""

import argparse
from collections.abc import Iterator
from functools import cache

from generate.page import table
from penstock_runtime.command import DESCRIPTIONS
from penstock_runtime.parsers import parsers

SYNOPSIS = "usage: "


@cache
def all_parsers() -> dict[str, argparse.ArgumentParser]:
    """By the words of the command: `keys`, `keys create`."""
    return {words: one for name, parser in parsers(DESCRIPTIONS).items() for words, one in _with_children(name, parser)}


def _with_children(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for child, one in children(parser).items():
        yield from _with_children(f"{name} {child}", one)


def children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of its options
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def names() -> list[str]:
    return list(parsers(DESCRIPTIONS))


def listing() -> str:
    """Each command with a link to its page."""
    rows = [(f"[`penstock {name}`]({name}.md)", _sentence(DESCRIPTIONS[name])) for name in names()]
    return table(("command", "purpose"), rows)


def page(name: str) -> str:
    """The command, and each of its subcommands under a heading of its own."""
    parts = []
    for words, parser in all_parsers().items():
        if words.split()[0] == name:
            heading = [f"## `penstock {words}`", ""] if words != name else []
            parts += [*heading, *_command(words, parser), ""]
    return "\n".join(parts).rstrip()


def _command(words: str, parser: argparse.ArgumentParser) -> list[str]:
    text, _, examples = (parser.epilog or "").partition("examples:\n")
    lines = [" ".join((parser.description or "").split()), ""]
    rows = [
        (_option(action), _default(action), _sentence((action.help or "").partition(" (default:")[0]))
        for action in parser._actions  # noqa: SLF001
        if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))  # noqa: SLF001
    ]
    if rows:
        lines += [table(("option", "default", "meaning"), rows), ""]
    if text.strip():
        lines += [" ".join(text.split()), ""]
    if examples:
        lines += ["```sh", *(line.strip() for line in examples.splitlines()), "```"]
    return ["```", f"penstock {words}{_usage(parser)}", "```", "", *lines]


def _usage(parser: argparse.ArgumentParser) -> str:
    """In one line. argparse's own depends on the terminal's width and on Python's version."""
    words = []
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._HelpAction):  # noqa: SLF001
            continue
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            words.append("COMMAND")
        elif action.option_strings:
            words.append(f"[{action.option_strings[-1]}{_value(action)}]")
        else:
            words.append(f"[{action.metavar}...]" if action.nargs == "*" else str(action.metavar or _choices(action)))
    return "".join(f" {word}" for word in words)


def _option(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or _choices(action)}`"
    *short, last = action.option_strings
    return ", ".join(f"`{option}`" for option in [*short, f"{last}{_value(action)}"])


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    return f" {action.metavar or _choices(action) or action.dest.upper()}"


def _choices(action: argparse.Action) -> str:
    return ",".join(map(str, action.choices)) if action.choices else ""


def _default(action: argparse.Action) -> str:
    return f"`{action.default}`" if action.default not in (None, False, [], argparse.SUPPRESS) else "none"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
