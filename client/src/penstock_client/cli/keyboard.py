"""Single key presses of a terminal, without echo and without waiting for a line."""

import contextlib
import os
import select
import termios
import tty
from types import TracebackType
from typing import Any, Self, TextIO


class Keyboard:
    """A context manager: the terminal is as before afterwards. Without a terminal no key is ever pressed."""

    def __init__(self, stdin: TextIO) -> None:
        self._descriptor = stdin.fileno() if stdin.isatty() else None
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        if self._descriptor is not None:
            with contextlib.suppress(termios.error):
                self._before = termios.tcgetattr(self._descriptor)
                tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None and self._before is not None:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def pressed(self, timeout_s: float) -> str:
        """The keys that were pressed within this time, at least one of them, or an empty text."""
        watched = [] if self._descriptor is None else [self._descriptor]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if not ready or self._descriptor is None:
            return ""
        typed = os.read(self._descriptor, 64)
        if not typed:
            # The terminal has gone.
            self._descriptor = None
        return typed.decode("ascii", "ignore")
