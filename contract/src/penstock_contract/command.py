"""The `penstock` command: each installed package brings its own subcommand (entry points `penstock.commands`).

This module knows none of them, so that `penstock chat` needs no gateway and an image needs no laptop.
"""

import sys
from importlib.metadata import entry_points


def main() -> None:
    commands = {point.name: point for point in entry_points(group="penstock.commands")}
    if len(sys.argv) > 1 and (point := commands.get(sys.argv[1])) is not None:
        sys.argv = [f"penstock {sys.argv[1]}", *sys.argv[2:]]
        point.load()()
        return
    asked = len(sys.argv) > 1 and sys.argv[1] in {"-h", "--help"}
    lines = ["usage: penstock COMMAND …", "", "commands:", *(f"  {name}" for name in sorted(commands))]
    (sys.stdout if asked else sys.stderr).write("\n".join(lines) + "\n")
    sys.exit(0 if asked else 2)
