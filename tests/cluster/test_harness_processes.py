"""The harness leaves nothing behind, and builds nothing twice."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from harness.fork_server import PENSTOCK, forks
from harness.kubernetes import binaries
from harness.link import Link
from harness.processes import Process, until

TESTS = str(Path(__file__).parents[1])


FOR_EVER = {"PENSTOCK_NATS_URL": "nats://127.0.0.1:1", "PENSTOCK_NAMESPACE": "default", "PENSTOCK_ROUTE": "main"}
"""A worker whose broker is never started."""


@pytest.mark.parametrize("child", [["sleep", "600"], [str(PENSTOCK), "worker"]], ids=["executed", "forked"])
async def test_harness_process_ends_with_a_killed_run(child: list[str], tmp_path: Path) -> None:
    starts = f"""
        import time
        from pathlib import Path
        from harness.processes import Process
        directory = Path({str(tmp_path)!r})
        child = Process("child", {child}, directory / "log", {FOR_EVER}, leashed=True)
        (directory / "pid").write_text(str(child.pid) + ".")
        time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(starts)]
    run = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": TESTS})  # noqa: ASYNC220 - does not wait
    try:
        logged = await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the child runs")
        pid = int(logged.rstrip("."))
        await until(lambda: os.getsid(pid) == pid, "it has a session of its own")
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()

    await until(lambda: not Path(f"/proc/{pid}").exists(), "the child is gone")


@pytest.mark.parametrize("argument", ["--version", "nonsense"])
async def test_harness_forked_process_prints_and_exits_like_an_executed_one(argument: str, tmp_path: Path) -> None:
    command = [str(PENSTOCK), argument]
    executed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: ASYNC221 - at once

    process = Process("penstock", command, tmp_path / "log", leashed=True)

    assert forks(command)
    assert await process.exited() == executed.returncode
    assert process.log() == executed.stdout + executed.stderr


async def test_harness_forked_process_has_its_own_environment_and_log(tmp_path: Path) -> None:
    endless = Process("endless", [str(PENSTOCK), "worker"], tmp_path / "endless", FOR_EVER, leashed=True)
    without_settings = Process("without", [str(PENSTOCK), "worker"], tmp_path / "without", leashed=True)

    assert await without_settings.exited() != 0
    assert without_settings.log() == "penstock worker: PENSTOCK_NAMESPACE is not set\n"
    assert endless.alive
    assert "is not set" not in endless.log()
    endless.kill()
    assert endless.exit_code == -signal.SIGKILL


async def test_harness_fork_server_exits_with_its_owner_without_output(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, (tmp_path / "said").open("wb") as logged:
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "harness.fork_server", str(theirs.fileno())),
            env={**os.environ, "PYTHONPATH": TESTS},
            pass_fds=[theirs.fileno()],
            stdout=logged,
            stderr=logged,
        )
    ours.close()

    assert await server.wait() == 0
    assert (tmp_path / "said").read_bytes() == b""


def test_harness_uses_built_binaries_without_go() -> None:
    assert _build(PATH="/nowhere").returncode == 0


def test_harness_without_go_names_the_missing_package(tmp_path: Path) -> None:
    done = _build(PATH="/nowhere", XDG_CACHE_HOME=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == (
        "make test-cluster: the cluster tests build Kubernetes from source: install Go 1.26 or newer\n"
    )


def test_harness_names_a_go_that_is_too_old(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.21.5\n")
    go.chmod(0o755)

    done = _build(PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))

    assert done.stderr == "make test-cluster: the cluster tests need Go 1.26 or newer, here is: go1.21.5\n"


def test_harness_binaries_are_programs_of_pinned_modules() -> None:
    for tool in binaries.TOOLS.values():
        module = binaries.GO / tool.module
        tools = (module / "go.mod").read_text().partition("\ntool ")[2]

        if tool.package == ".":
            assert "package main" in (module / "main.go").read_text().splitlines()
        else:
            assert tool.package in tools.split()


async def test_harness_link_delivers_after_a_repair() -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            got.put_nowait(data)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        link = await Link.start(server.sockets[0].getsockname()[1])
        _, before = await asyncio.open_connection("127.0.0.1", link.port)
        before.write(b"heard")
        assert await got.get() == b"heard"

        link.silence()
        _, during = await asyncio.open_connection("127.0.0.1", link.port)
        before.write(b"held")
        during.write(b"taken")
        # What is written later and goes straight arrives first.
        _, straight = await asyncio.open_connection(*server.sockets[0].getsockname())
        straight.write(b"straight")
        assert await got.get() == b"straight"
        assert got.empty()
        straight.close()

        await link.mend()
        assert {await got.get(), await got.get()} == {b"held", b"taken"}
        before.close()
        during.close()
        await link.close()


def _build(**env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.kubernetes.binaries"]
    inherited = {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ}
    return subprocess.run(
        command, env={**inherited, "PYTHONPATH": TESTS, **env}, capture_output=True, text=True, check=False
    )
