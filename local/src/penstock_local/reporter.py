"""Speaks to the person: progress, warnings, the screen; and keeps every log line in a file."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from penstock_local.log_line import ERROR, INFO, WARNING, readable
from penstock_local.screen import YELLOW, Ink


class Reporter:
    """Writes to `out`, which is a terminal or not; closes only its own log file."""

    def __init__(self, out: TextIO, log_path: Path, *, verbose: bool, colour: bool) -> None:
        self.ink = Ink(colour)
        self._out = out
        self._log_path = log_path
        self._log = log_path.open("a", encoding="utf-8")
        self._level = INFO if verbose else WARNING
        self._started_at = time.monotonic()

    def close(self) -> None:
        self._log.close()

    def stopping(self) -> None:
        """From here on connections are cut on purpose: only errors are news."""
        if self._level == WARNING:
            self._level = ERROR

    def progress(self, text: str) -> None:
        self.show(f"{self.elapsed_s():5.1f} s  {text}")

    def elapsed_s(self) -> float:
        return time.monotonic() - self._started_at

    def warning(self, text: str) -> None:
        self.show(f"{self.elapsed_s():5.1f} s  {self.ink(YELLOW, text)}")

    def log(self, source: str, line: str) -> None:
        """A line that a child wrote: to the file, and to the screen if it matters."""
        self.keep(source, line)
        if (text := readable(line, level=self._level)) is not None:
            self.show(f"{self.ink(YELLOW, source)}: {text}")

    def keep(self, source: str, line: str) -> None:
        """To the file only."""
        self._log.write(f"{source}: {line}\n")
        self._log.flush()

    def hint(self) -> None:
        self.show(f"Logs: {self._log_path} (while this runs). Ctrl-C ends it.")

    def show(self, text: str) -> None:
        # Nobody reads any more (`| head`, a closed terminal): what runs goes on until it is told to end.
        with suppress(OSError):
            self._out.write(f"{text}\n")
            self._out.flush()
