"""Writes progress and warnings to the terminal, and every log line to a file."""

import errno
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from penstock_local.terminal.log_line import ANSWERED, ERROR, INFO, WARNING, readable
from penstock_local.terminal.overview import YELLOW, Ink
from penstock_local.terminal.printable import printable

SAME_CAUSE_S = 5.0
"""How often at most one source's warnings of one cause are shown; all of them are in the file."""

ANSWERS_PER_S = 5


class LogView:
    """Writes to `out`, which is a terminal or not; closes only its own log file."""

    def __init__(
        self,
        out: TextIO,
        log_path: Path,
        *,
        verbose: bool,
        colour: bool,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ink = Ink(colour)
        self._out = out
        self._log_path = log_path
        # Without a buffer: a line that could not be written would be tried again, in pieces, with the next one.
        self._log = log_path.open("ab", buffering=0)
        self._lost = 0
        self._torn = False
        self._level = INFO if verbose else WARNING
        self._now = now
        self._started_at = now()
        self._second = 0
        self._answers = 0
        self._shown_at: dict[tuple[str, str], float] = {}

    def close(self, *, keep_in: Path | None = None) -> None:
        """With `keep_in`, the log file outlives its directory: it is moved there, and its path printed."""
        if self._lost:
            self.show(f"{self._lost} log lines could not be written")
        with suppress(OSError):
            self._log.close()
        if keep_in is not None and self._size():
            kept = keep_in / f"{self._log_path.parent.name}.log"
            try:
                # Ours alone, as its directory was.
                self._log_path.chmod(0o600)
                shutil.move(self._log_path, kept)
            except OSError as error:
                self.show(f"The log cannot be kept: {error}")
            else:
                self.show(f"The log is kept in {kept}")

    def _size(self) -> int:
        try:
            return self._log_path.stat().st_size
        except OSError:
            return 0

    def stopping(self) -> None:
        """From here on connections are cut on purpose: only errors are news."""
        if self._level == WARNING:
            self._level = ERROR

    def progress(self, text: str) -> None:
        self.show(f"{self.elapsed_s():5.1f} s  {text}")

    def elapsed_s(self) -> float:
        return self._now() - self._started_at

    def warning(self, text: str) -> None:
        self.show(f"{self.elapsed_s():5.1f} s  {self.ink(YELLOW, text)}")

    def log(self, source: str, line: str) -> None:
        """A line that a child wrote: to the file, and to the screen if it matters."""
        self.keep(source, line)
        if ANSWERED in line and self._level == WARNING and self._too_many():
            return
        if (shown := readable(line, level=self._level)) is not None and not self._repeats(source, shown.cause):
            self.show(f"{self.ink(YELLOW, source)}: {printable(shown.text)}")

    def _too_many(self) -> bool:
        """Count a request's line. Of a second's only the first few are shown, and how many more there were."""
        second = int(self._now())
        if second != self._second:
            if self._answers > ANSWERS_PER_S:
                self.show(f"… and {self._answers - ANSWERS_PER_S} more requests, see the log")
            self._second, self._answers = second, 0
        self._answers += 1
        return self._answers > ANSWERS_PER_S

    def _repeats(self, source: str, cause: str | None) -> bool:
        if cause is None or self._level == INFO:
            return False
        now = self._now()
        if now - self._shown_at.get((source, cause), -SAME_CAUSE_S) < SAME_CAUSE_S:
            return True
        self._shown_at[source, cause] = now
        return False

    def keep(self, source: str, line: str) -> None:
        """To the file only. A line that cannot be written (the disk is full) is counted, and the first one shown."""
        text = f"{source}: {line}\n"
        if self._lost:
            text = f"penstock dev: {self._lost} log lines are missing here: they could not be written\n{text}"
        try:
            self._write(text.encode(errors="replace"))
        except OSError as error:
            if not self._lost:
                reason = error.strerror or str(error)
                self.warning(
                    f"the log cannot be written ({reason}): lines are lost, and so may be usage rows, until there is"
                    f" space in {self._log_path.parent.parent} again"
                )
            self._lost += 1
        else:
            if self._lost:
                self.progress(f"the log is written again; {self._lost} lines are lost")
            self._lost = 0

    def _write(self, data: bytes) -> None:
        data = b"\n" + data if self._torn else data
        written = self._log.write(data) or 0
        self._torn = written < len(data) if written else self._torn
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def hint(self) -> None:
        self.show(f"Logs: {self._log_path} (while this runs). Ctrl-C ends it.")

    def show(self, text: str) -> None:
        # The output is closed (`| head`, a closed terminal): the processes run on until they are ended.
        with suppress(OSError):
            self._out.write(f"{text}\n")
            self._out.flush()
