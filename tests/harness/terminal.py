"""A program in a real terminal: a pseudo-terminal whose screen pyte keeps, as a person would see it."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence

import pyte
from harness.processes import until


class Terminal:
    """`screen` are the lines that are shown now; `all` every byte that was written."""

    def __init__(self, descriptor: int, process: asyncio.subprocess.Process, rows: int, columns: int) -> None:
        self._descriptor = descriptor
        self.process = process
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.all = b""
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    @property
    def screen(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    def line(self, start: str) -> list[str]:
        """The words of the line that begins so; empty if there is none."""
        return next((line.split() for line in self.screen if line.startswith(start)), [])

    async def shows(self, text: str) -> None:
        await until(lambda: any(text in line for line in self.screen), f"the screen shows {text!r}")

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        self._screen.resize(rows, columns)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def exited(self) -> int:
        async with asyncio.timeout(20):
            return await self.process.wait()

    def echoes(self) -> bool:
        """True if the terminal is as a shell expects it: lines are edited and typed letters shown."""
        flags = termios.tcgetattr(self._descriptor)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:
            # Linux: the program's side is closed.
            asyncio.get_running_loop().remove_reader(self._descriptor)
            return
        self.all += data
        self._stream.feed(data)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)


@contextlib.asynccontextmanager
async def terminal(
    arguments: Sequence[str], environ: Mapping[str, str], *, rows: int = 30, columns: int = 140
) -> AsyncIterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"TERM": "xterm-256color", "LANG": "C.UTF-8", **environ},
        start_new_session=True,
        # A shell without job control starts its background commands with SIGINT ignored; a terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    shown = Terminal(ours, process, rows, columns)
    try:
        yield shown
    finally:
        shown.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(theirs)
        os.close(ours)
