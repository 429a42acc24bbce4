"""`penstock dev` on a disk that is small, that fills and that has space again; and two of it on one port."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from harness.dev import EXAMPLES, Dev, dev_up
from harness.plain_client import plain_client
from harness.processes import free_port, until

SIMULATED = ("-f", str(EXAMPLES / "simulated.yaml"))
REQUESTS = 30


@contextlib.contextmanager
def _disk(directory: Path, mebibytes: int) -> Iterator[Path]:
    """A filesystem of its own."""
    if os.getuid() != 0:
        pytest.skip("mounting a small filesystem needs root")
    disk = directory / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextlib.asynccontextmanager
async def _dev_on(directory: Path, mebibytes: int) -> AsyncIterator[tuple[Dev, Path]]:
    """Its output is on the large disk, its temporary files on the small one."""
    with _disk(directory, mebibytes) as disk:
        async with dev_up(directory, *SIMULATED, env={"TMPDIR": str(disk)}) as dev:
            yield dev, disk


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 65_536) == 65_536:
            pass
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(b"x"):
            pass
    return filler


async def _requests(dev: Dev, number: int) -> list[int]:
    """Each is a line or two of the log."""
    async with plain_client(dev.url, timeout=60) as client:
        body = {"model": "simulated", "prompt": "hi"}
        answers = await asyncio.gather(*(client.post("/api/generate", json=body) for _ in range(number)))
    return [answer.status_code for answer in answers]


async def test_dev_on_a_full_disk_loses_log_lines_and_starts_no_second_process(tmp_path: Path) -> None:
    async with _dev_on(tmp_path, 64) as (dev, disk):
        children = dev.children()
        filler = _fill(disk)
        assert await _requests(dev, REQUESTS) == [200] * REQUESTS
        await dev.reports("the log cannot be written (No space left on device)")
        assert dev.children() == children
        assert "starting it again" not in dev.output

        filler.unlink()
        assert await _requests(dev, REQUESTS) == [200] * REQUESTS
        await dev.reports("the log is written again")
        assert dev.children() == children
        (log,) = disk.glob("penstock-dev-*/penstock.log")
        assert "log lines are missing here" in log.read_text()


async def test_dev_on_a_small_disk_serves_with_smaller_stores(tmp_path: Path) -> None:
    async with _dev_on(tmp_path, 40) as (dev, _):
        assert await _requests(dev, 2) == [200, 200]
        assert "broker_unavailable" not in dev.output


async def test_dev_rejects_a_disk_that_is_too_small_with_the_needed_size(tmp_path: Path) -> None:
    with _disk(tmp_path, 4) as disk:
        dev = Dev(tmp_path, *SIMULATED, env={"TMPDIR": str(disk)})
        assert await dev.process.exited(30) == 1
        assert f"penstock dev: {disk} has " in dev.output
        assert "MiB of free space, and at least 16 MiB are needed" in dev.output
        assert "Traceback" not in dev.output
        assert list(disk.iterdir()) == []


async def test_dev_started_twice_on_one_port_reports_the_port(tmp_path: Path) -> None:
    port = str(free_port())
    directories = [tmp_path / name for name in ("a", "b")]
    for directory in directories:
        directory.mkdir()
    devs = [Dev(directory, "--port", port, *SIMULATED) for directory in directories]
    try:
        await until(lambda: any(not dev.process.alive for dev in devs), "one of two ends")
        (loser,) = [dev for dev in devs if not dev.process.alive]
        (winner,) = [dev for dev in devs if dev is not loser]
        assert loser.process.exit_code == 1
        assert loser.output.startswith(f"penstock dev: cannot listen on 127.0.0.1:{port} (Address already in use)")
        await winner.up()
        assert await _requests(winner, 1) == [200]
        assert "starting it again" not in winner.output
    finally:
        for dev in devs:
            await dev.process.end()


async def test_dev_holds_connections_while_the_gateway_restarts(tmp_path: Path) -> None:
    async with dev_up(tmp_path, *SIMULATED) as dev:
        os.kill(dev.children()["penstock_gateway"], 9)
        assert await _ready(dev) == 200


async def _ready(dev: Dev) -> int:
    async with plain_client(dev.url, timeout=60) as client:
        return (await client.get("/health")).status_code
