"""The parser of each installed command (entry points `penstock.parsers`), and of all of them together.

Shell completion and the reference pages are made from these; a command builds its own with the same function.
"""

import textwrap
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Final

WIDTH: Final = 80
SHELLS: Final = ("bash", "zsh", "tcsh")
_ROLES: Final = {
    "gateway": "PENSTOCK_NATS_URL=nats://127.0.0.1:4222 penstock gateway",
    "operator": "PENSTOCK_NATS_URL=nats://nats:4222 PENSTOCK_NAMESPACES=ai penstock operator",
    "worker": "PENSTOCK_NATS_URL=nats://127.0.0.1:4222 PENSTOCK_NAMESPACE=ai PENSTOCK_ROUTE=gpt penstock worker",
}
SETTINGS_ONLY: Final = frozenset(_ROLES)
"""They take no arguments: all settings are environment variables."""


def with_examples(parser: ArgumentParser, *examples: str) -> ArgumentParser:
    """Add examples to the help of `parser`, below its epilog, and return it."""
    lines = ["examples:", *(f"  {example}" for example in examples)]
    before = [textwrap.fill(parser.epilog, WIDTH), ""] if parser.epilog else []
    parser.epilog = "\n".join([*before, *lines])
    parser.description = textwrap.fill(parser.description or "", WIDTH)
    parser.formatter_class = RawDescriptionHelpFormatter
    return parser


def role_parser(name: str, description: str) -> ArgumentParser:
    """Of a command that takes no arguments."""
    made = ArgumentParser(prog=f"penstock {name}", description=f"{description}.")
    made.epilog = "It takes no arguments: its settings are PENSTOCK_* variables, see docs/reference/settings.md."
    return with_examples(made, _ROLES[name])


def completion_parser() -> ArgumentParser:
    made = ArgumentParser(prog="penstock completion", description="Print the completion script for a shell.")
    made.add_argument("shell", choices=SHELLS, help="its output is read by the shell at its start")
    return with_examples(
        made,
        "penstock completion bash > ~/.local/share/bash-completion/completions/penstock",
        "penstock completion zsh > ~/.zfunc/_penstock    # with ~/.zfunc in fpath",
    )


def parsers(descriptions: Mapping[str, str]) -> dict[str, ArgumentParser]:
    """By the command's name, in the order of names. `descriptions` has every command of any package."""
    points = {point.name: point for point in entry_points(group="penstock.parsers")}
    names = {point.name for point in entry_points(group="penstock.commands")}
    found = {name: points[name].load()() for name in names & points.keys()}
    found |= {name: role_parser(name, descriptions[name]) for name in names & SETTINGS_ONLY}
    return dict(sorted({**found, "completion": completion_parser()}.items()))


def completion(shell: str, descriptions: Mapping[str, str]) -> str:
    """The script for `shell`, with the subcommands and options of every installed package."""
    import shtab  # noqa: PLC0415 - nothing else needs it

    root = ArgumentParser(prog="penstock")
    root.add_argument("--version", action="store_true", help="print the version")
    commands = root.add_subparsers(metavar="COMMAND")
    for name, parser in parsers(descriptions).items():
        commands.add_parser(name, help=descriptions.get(name, ""), parents=[parser], add_help=False)
    return str(shtab.complete(root, shell=shell))
