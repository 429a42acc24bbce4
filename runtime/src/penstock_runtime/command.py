"""The `penstock` command: each installed package brings its own subcommand (entry points `penstock.commands`).

This module imports none of them, so that `penstock chat` needs no gateway and an image needs no laptop.
"""

import os
import signal
import sys

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""

# Beside the entry points, which have no place for it; asking the modules would import them all.
_DESCRIPTIONS = {
    "chat": "talk to a running gateway",
    "dev": "run gateway, workers, nats-server and two small models on this machine",
    "keys": "make, list, revoke and rotate API keys",
    "gateway": "run one gateway, as the cluster does",
    "nats-keys": "make the keys that say who may use an installation's broker",
    "reset": "delete the keys and the usage that penstock dev has kept",
    "usage": "show what requests used and cost",
    "operator": "run the operator, as the cluster does",
    "worker": "run one worker of a route, as the cluster does",
}

# They take no arguments: all settings are environment variables.
_SETTINGS_ONLY = frozenset({"gateway", "operator", "worker"})


def main() -> None:
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if default:
        # While modules are imported there is nothing to clean up, and a KeyboardInterrupt would be a page of them.
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from importlib.metadata import entry_points, version  # noqa: PLC0415 - after the line above

    commands = {point.name: point for point in entry_points(group="penstock.commands")}
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    if asked in _SETTINGS_ONLY & commands.keys() and len(sys.argv) > 2:
        sys.exit(_without_arguments(asked, sys.argv[2:]))
    if (point := commands.get(asked)) is not None:
        sys.argv = [f"penstock {asked}", *sys.argv[2:]]
        run = point.load()
        try:
            if default:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            run()
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
    elif asked in {"-h", "--help"}:
        sys.stdout.write(usage(sorted(commands)))
    elif asked == "--version":
        sys.stdout.write(f"penstock {version('penstock-contract')}\n")
    else:
        problem = f"penstock: unknown command {asked!r}\n\n" if asked else ""
        sys.stderr.write(problem + usage(sorted(commands)))
        sys.exit(2)


def _without_arguments(command: str, arguments: list[str]) -> int:
    """Print that settings are environment variables; returns the exit code. Otherwise arguments would be ignored."""
    wanted = arguments[0] in {"-h", "--help"}
    lines = [
        f"usage: penstock {command}",
        "",
        f"{_DESCRIPTIONS[command]}. It takes no arguments: its settings are PENSTOCK_* variables,",
        "see docs/reference/settings.md.",
    ]
    (sys.stdout if wanted else sys.stderr).write("\n".join(lines) + "\n")
    return 0 if wanted else 2


def usage(names: list[str]) -> str:
    width = max(map(len, names), default=0)
    commands = [f"  {name:{width}}  {_DESCRIPTIONS.get(name, '')}".rstrip() for name in names]
    lines = ["usage: penstock COMMAND … | --version", "", "commands:", *commands]
    return "\n".join([*lines, "", "penstock COMMAND --help says more."]) + "\n"
