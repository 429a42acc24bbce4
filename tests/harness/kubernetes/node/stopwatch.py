"""Prints each slow step with its duration, so that a run of minutes is not silent."""

import contextlib
import sys
import time
from collections.abc import Iterator


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    print_line(f"{what} …")
    started = time.monotonic()
    yield
    print_line(f"  {time.monotonic() - started:6.1f} s  {what}")


def print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - for the person at the terminal
