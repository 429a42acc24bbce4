"""A child is supervised until it has ended; no second one is started beside it."""

import asyncio
import os
import sys
from pathlib import Path

from penstock_local.process.child import NOT_STARTED, Child, Exit
from penstock_local.process.commands import Command

TALKS = "import os, signal; print(os.getpid(), flush=True); signal.pause()"


class Watched:
    """A child, its lines and its ends; `first_end` is set at the first of these."""

    def __init__(self, *argv: str, error: OSError | None = None) -> None:
        self.lines: list[str] = []
        self.ends: list[Exit] = []
        self.alive_at_end: list[bool] = []
        self.first_end = asyncio.Event()
        self._error = error
        command = Command(name="child", argv=argv, environ=dict(os.environ))
        self.child = Child(command, on_line=self._on_line, on_exit=self._on_exit)

    def _on_line(self, _child: Child, line: str) -> None:
        self.lines.append(line)
        if self._error is not None:
            raise self._error

    def _on_exit(self, _child: Child, end: Exit) -> bool:
        self.ends.append(end)
        self.alive_at_end += [Path(f"/proc/{pid}").exists() for pid in self.lines]
        self.first_end.set()
        return False


async def test_child_of_a_program_that_cannot_start_ends_with_its_reason() -> None:
    watched = Watched("/does/not/exist")
    watched.child.start()
    await asyncio.wait_for(watched.first_end.wait(), 20)
    assert watched.ends[0].code == NOT_STARTED
    assert "No such file" in watched.ends[0].last_lines[0]


async def test_child_start_error_is_not_reported_for_an_unwritable_line() -> None:
    watched = Watched(sys.executable, "-c", TALKS, error=OSError(28, "No space left on device"))
    watched.child.start()
    await asyncio.wait_for(watched.first_end.wait(), 20)
    assert watched.ends[0].cause == "SIGKILL"
    assert "No space left on device" in watched.ends[0].last_lines[-1]
    assert watched.alive_at_end == [False]
