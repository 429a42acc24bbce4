"""Chromium without a window, driven by playwright-core: one process for a session, a fresh context for each page.

    async with browser.page(viewport={"width": 360, "height": 740}) as page:
        await page.run("await page.goto(args.url)", url=gateway.url)
        assert await page.run("return page.title()") == "Penstock"

A command is the body of an async function of `page`, `context` (playwright's) and `args`, with a timeout of its own.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pytest
from library_process import INSTALLED
from msgspec import Struct

SCRIPT = INSTALLED / "node" / "browser.mjs"
LINE_MAX = 64 * 1024 * 1024
"""A screenshot is part of a line."""


def chromium() -> str:
    """The browser's path. Skips the test without one, unless CI requires it."""
    path = os.environ.get("PENSTOCK_TEST_CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists() and os.environ.get("PENSTOCK_TEST_BROWSER") != "required":
        pytest.skip(f"no browser at {path}: install Debian's chromium, or set PENSTOCK_TEST_CHROMIUM")
    return path


class PageRecord(Struct):
    """Every address that a page requested; uncaught errors and violations of its policy."""

    requests: list[str]
    problems: list[str]


class Page:
    """`record` is there after the page was closed."""

    def __init__(self, browser: "Browser", number: int) -> None:
        self._browser = browser
        self._number = number
        self.record = PageRecord([], [])

    async def run(self, code: str, **args: Any) -> Any:
        """The value that the function returns. Fails with its error."""
        return await self._browser.command(page=self._number, run=code, args=args)


class Browser:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls) -> Self:
        process = await asyncio.create_subprocess_exec(
            *("node", "--preserve-symlinks-main", "--preserve-symlinks", str(SCRIPT)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_MAX,
            start_new_session=True,
            env={**os.environ, "CHROMIUM": chromium()},
        )
        return cls(process)

    @contextlib.asynccontextmanager
    async def page(self, **options: Any) -> AsyncIterator[Page]:
        """A page in a context of its own; `options` are those of playwright's `newContext`."""
        number = next(self._numbers)
        page = Page(self, number)
        await self.command(open=number, options=options)
        try:
            yield page
        finally:
            page.record = PageRecord(**await self.command(close=number))

    async def command(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, **command}).encode() + b"\n")
        return await answer

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        finally:
            # Chromium's processes, too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
            await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            future = self._answers.pop(answer["id"])
            if "error" in answer:
                future.set_exception(AssertionError(answer["error"]))
            else:
                future.set_result(answer["value"])
        for future in self._answers.values():
            future.set_exception(AssertionError("the browser has ended"))
