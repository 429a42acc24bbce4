"""The `penstock` command: each installed package brings its own subcommand (entry points `penstock.commands`).

This module imports none of them, so that `penstock chat` needs no gateway and an image needs no laptop.
"""

import difflib
import os
import signal
import sys

from penstock_runtime.parsers import SETTINGS_ONLY, completion, completion_parser, role_parser

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""

# Beside the entry points, which have no field for it; reading it from the modules would import them all.
DESCRIPTIONS = {
    "backup": "save a broker's API keys, limits and usage records",
    "chat": "send a prompt to a running gateway, or hold a conversation",
    "completion": "print the completion script for bash, zsh or tcsh",
    "dev": "run gateway, workers, nats-server and two small models on this machine",
    "doctor": "find what would keep Penstock from serving here",
    "keys": "make, list, revoke and rotate API keys",
    "gateway": "run one gateway, as the cluster does",
    "nats-keys": "make the keys of an installation's broker",
    "reset": "delete the keys and the usage that penstock dev has kept",
    "restore": "restore what `penstock backup` has saved",
    "routes": "publish route files to NATS and follow their changes, for Docker Compose",
    "top": "show routes, workers and traffic live",
    "usage": "show what requests used and cost",
    "operator": "run the operator, as the cluster does",
    "worker": "run one worker of a route, as the cluster does",
}


def main() -> None:
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if default:
        # While modules are imported there is nothing to clean up, and a KeyboardInterrupt would be a page of them.
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from importlib.metadata import entry_points, version  # noqa: PLC0415 - after the line above

    commands = {point.name: point for point in entry_points(group="penstock.commands")}
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in SETTINGS_ONLY & commands.keys() and len(sys.argv) > 2:
        sys.exit(_without_arguments(name, sys.argv[2:]))
    if name == "completion":
        _complete(sys.argv[2:])
        return
    names = sorted({*commands, "completion"})
    if (point := commands.get(name)) is not None:
        sys.argv = [f"penstock {name}", *sys.argv[2:]]
        run = point.load()
        try:
            if default:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            run()
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
    elif name in {"-h", "--help"}:
        sys.stdout.write(usage(names))
    elif name == "--version":
        sys.stdout.write(f"penstock {version('penstock-contract')}\n")
    else:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f", did you mean {close[0]}?" if close else ""
        problem = f"penstock: unknown command {name!r}{hint}\n\n" if name else "penstock: a command is missing\n\n"
        if name in DESCRIPTIONS:
            extra = "penstock[operator]" if name in {"operator", "nats-keys"} else "penstock"
            problem = f"penstock: the command {name} is not installed: pip install '{extra}' has it\n\n"
        sys.stderr.write(problem + usage(names))
        sys.exit(2)


def _without_arguments(command: str, arguments: list[str]) -> int:
    """Print that settings are environment variables; returns the exit code. Otherwise arguments would be ignored."""
    wanted = arguments[0] in {"-h", "--help"}
    (sys.stdout if wanted else sys.stderr).write(role_parser(command, DESCRIPTIONS[command]).format_help())
    return 0 if wanted else 2


def _complete(arguments: list[str]) -> None:
    sys.argv[0] = "penstock completion"
    sys.stdout.write(completion(completion_parser().parse_args(arguments).shell, DESCRIPTIONS))


def usage(names: list[str]) -> str:
    width = max(map(len, names), default=0)
    commands = [f"  {name:{width}}  {DESCRIPTIONS.get(name, '')}".rstrip() for name in names]
    lines = ["usage: penstock COMMAND … | --version", "", "commands:", *commands]
    return "\n".join([*lines, "", "penstock COMMAND --help has its options and examples."]) + "\n"
