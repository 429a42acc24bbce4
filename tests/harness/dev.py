"""`penstock dev` as a process of a test."""

import contextlib
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from harness.processes import Process, until

EXAMPLES = Path(__file__).parents[2] / "examples" / "routes"
COMMAND = str(Path(sys.executable).parent / "penstock")
START_S = 60.0


class Dev:
    """One `penstock dev`; its temporary files are in `directory`. Without `--state` and `keeps` it keeps no state."""

    def __init__(
        self, directory: Path, *arguments: str, env: dict[str, str] | None = None, keeps: bool = False
    ) -> None:
        self.directory = directory
        self.url = ""
        state = () if keeps or "--state" in arguments else ("--fresh",)
        command = [COMMAND, "dev", "--port", "0", *state, *arguments]
        env = {"TMPDIR": str(directory), **(env or {})}
        self.process = Process("penstock dev", command, directory / "output", env, leashed=True)

    async def reports(self, text: str) -> None:
        def logged() -> bool:
            assert text in self.output or self.process.alive, self.output
            return text in self.output

        await until(logged, f"penstock dev prints {text!r}", timeout_s=START_S)

    async def up(self) -> "Dev":
        await self.reports("Ctrl-C ends it.")
        found = re.search(r"listens on (\S+)", self.output)
        assert found, self.output
        self.url = found[1]
        return self

    @property
    def output(self) -> str:
        return self.process.log()

    def children(self) -> dict[str, int]:
        """Process ids by what they run: nats-server, penstock_gateway, penstock_worker, penstock_local.models …"""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in pids:
            argv = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            name = argv[argv.index("-m") + 1 : argv.index("-m") + 3] if "-m" in argv else [Path(argv[0]).name]
            found[" ".join(name).strip()] = int(pid)
        return found


@contextlib.asynccontextmanager
async def dev_up(
    directory: Path, *arguments: str, env: dict[str, str] | None = None, keeps: bool = False
) -> AsyncIterator[Dev]:
    dev = Dev(directory, *arguments, env=env, keeps=keeps)
    try:
        yield await dev.up()
    finally:
        await dev.process.end()
