"""Shared by `penstock keys`, `top` and `usage`: the invocation, the admin API's address, and the exit codes."""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TextIO

import msgspec

from penstock_client.admin.client import AdminClient, NoAdmin, address
from penstock_client.errors import GatewayError, GatewayUnreachable

DONE = 0
FAILED = 1
UNREACHABLE = 3
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a command: its arguments, environment and streams, and the time of day in seconds."""

    arguments: Sequence[str]
    environ: Mapping[str, str]
    stdout: TextIO
    stderr: TextIO
    now: Callable[[], float] = time.time

    @classmethod
    def of_process(cls) -> Self:
        return cls(sys.argv[1:], os.environ, sys.stdout, sys.stderr)


def command(name: str, description: str) -> argparse.ArgumentParser:
    """The parser of `penstock <name>`, with the option for the admin API's address."""
    made = argparse.ArgumentParser(
        prog=f"penstock {name}",
        description=description,
        epilog="PENSTOCK_ADMIN_URL and PENSTOCK_ADMIN_TOKEN name the admin API; without them it is that of the penstock"
        " dev on this machine.",
    )
    made.add_argument("--url", help="address of the admin API; PENSTOCK_ADMIN_URL")
    return made


def where_after() -> argparse.ArgumentParser:
    """The same option after a subcommand, without a default: the option before it is not overwritten."""
    made = argparse.ArgumentParser(add_help=False)
    made.add_argument("--url", default=argparse.SUPPRESS, help="address of the admin API; PENSTOCK_ADMIN_URL")
    return made


def call_admin_api(name: str, work: Callable[[AdminClient], None], invocation: Invocation, url: str | None) -> int:
    """Call `work` with the admin API. Returns the exit code; prints errors to stderr."""
    try:
        with AdminClient(address(invocation.environ, url)) as admin:
            work(admin)
    except (GatewayError, NoAdmin, msgspec.ValidationError) as error:
        invocation.stderr.write(f"penstock {name}: {error}\n")
        return UNREACHABLE if isinstance(error, GatewayUnreachable) else FAILED
    return DONE


def duration(text: str) -> int:
    """`30d` in seconds."""
    if (match := re.fullmatch(r"([0-9]{1,6})([smhdw])", text)) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 30d, 12h or 90s")
    return int(match[1]) * _UNITS[match[2]]
