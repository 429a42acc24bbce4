"""`penstock reset`: delete what earlier runs of `penstock dev` kept, after a question."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from penstock_local import state_directory
from penstock_local.state_directory import StateInUse, StateUnusable
from penstock_runtime.parsers import with_examples

DONE, FAILED = 0, 1


def parser() -> ArgumentParser:
    options = ArgumentParser(
        prog="penstock reset",
        description="Delete the API keys, limits and usage that penstock dev has kept on this machine.",
    )
    options.add_argument(
        "--state", type=Path, metavar="DIR", help="the directory (default: penstock/dev in the user's data folder)"
    )
    options.add_argument("--yes", action="store_true", help="do not ask")
    return with_examples(options, "penstock reset", "penstock reset --state ./state --yes")


def main() -> None:
    arguments = parser().parse_args()
    directory = arguments.state or state_directory.default_directory()
    try:
        sys.exit(_reset(directory, sure=arguments.yes))
    except (StateInUse, StateUnusable) as error:
        advice = "; end it first" if isinstance(error, StateInUse) else ""
        sys.exit(f"penstock reset: {error}{advice}")


def _reset(directory: Path, *, sure: bool) -> int:
    if not state_directory.kept(directory):
        sys.stdout.write(f"{directory}: nothing is kept there\n")
        return DONE
    if not sure and not _confirmed(directory):
        return FAILED
    state_directory.reset(directory)
    sys.stdout.write(f"{directory}: keys, limits and usage are deleted\n")
    return DONE


def _confirmed(directory: Path) -> bool:
    if not sys.stdin.isatty():
        sys.stderr.write("penstock reset: standard input is no terminal: add --yes\n")
        return False
    sys.stdout.write(f"Delete all API keys, limits and usage in {directory}? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
