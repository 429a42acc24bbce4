"""Shared by `penstock keys` and `penstock usage`: the admin API's address, and the exit code if it does not answer."""

import argparse
import re
from collections.abc import Callable, Mapping
from typing import TextIO

import msgspec

from penstock_client.admin.client import AdminClient, NoAdmin, address
from penstock_client.errors import GatewayError, GatewayUnreachable

DONE = 0
FAILED = 1
UNREACHABLE = 3
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def command(name: str, description: str) -> argparse.ArgumentParser:
    """The parser of `penstock <name>`, with the option for the admin API's address."""
    made = argparse.ArgumentParser(
        prog=f"penstock {name}",
        description=description,
        epilog="PENSTOCK_ADMIN_URL and PENSTOCK_ADMIN_TOKEN say where; without them, the penstock dev that runs here.",
    )
    made.add_argument("--url", help="of the admin API; PENSTOCK_ADMIN_URL")
    return made


def where_after() -> argparse.ArgumentParser:
    """The same option behind a subcommand: without a default, so that one in front of it stays."""
    made = argparse.ArgumentParser(add_help=False)
    made.add_argument("--url", default=argparse.SUPPRESS, help="of the admin API; PENSTOCK_ADMIN_URL")
    return made


def ask(
    name: str, work: Callable[[AdminClient], None], environ: Mapping[str, str], url: str | None, stderr: TextIO
) -> int:
    """Call `work` with the admin API. Returns the exit code; prints errors to stderr."""
    try:
        with AdminClient(address(environ, url)) as admin:
            work(admin)
    except (GatewayError, NoAdmin, msgspec.ValidationError) as error:
        stderr.write(f"penstock {name}: {error}\n")
        return UNREACHABLE if isinstance(error, GatewayUnreachable) else FAILED
    return DONE


def duration(text: str) -> int:
    """`30d` in seconds."""
    if (match := re.fullmatch(r"([0-9]{1,6})([smhdw])", text)) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 30d, 12h or 90s")
    return int(match[1]) * _UNITS[match[2]]
