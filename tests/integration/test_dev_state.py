"""`penstock dev` keeps keys, limits and usage for its next run, in a directory that one run uses at a time."""

import asyncio
import os
import pty
import re
import signal
from pathlib import Path

import httpx
from harness.dev import COMMAND, EXAMPLES, Dev, dev_up
from harness.plain_client import plain_client

SIMULATED = ("-f", str(EXAMPLES / "simulated.yaml"))
REQUIRED = {"PENSTOCK_AUTHENTICATION": "required"}


async def _penstock(directory: Path, *arguments: str, **options: object) -> tuple[int | None, str, str]:
    environ = {"TMPDIR": str(directory), "XDG_DATA_HOME": str(directory / "data"), "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        *(COMMAND, *arguments),
        env=environ,
        stdin=options.get("stdin", asyncio.subprocess.DEVNULL),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def _made(directory: Path, *arguments: str) -> str:
    code, out, err = await _penstock(directory, *arguments)
    assert code == 0, err
    return out.strip()


async def _chat(dev: Dev, key: str) -> httpx.Response:
    body = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}
    async with plain_client(dev.url, timeout=60) as client:
        return await client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})


def _first_key(dev: Dev) -> str:
    shown = re.search(r"^API key: (sk-penstock-\S+)$", dev.output, re.MULTILINE)
    assert shown, dev.output
    return shown[1]


async def test_dev_keeps_keys_budgets_and_usage_over_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state"
    arguments = (*SIMULATED, "--state", str(state))
    async with dev_up(tmp_path, *arguments, env=REQUIRED) as dev:
        assert f"State: {state} keeps keys, limits and usage" in dev.output
        first = _first_key(dev)
        limited = await _made(tmp_path, "keys", "create", "Ada", "--requests-per-minute", "1")
        revoked = await _made(tmp_path, "keys", "create", "Grace")
        id_ = re.search(r"(key_\w+)\s+Grace", await _made(tmp_path, "keys", "list"))
        assert id_
        assert (await _chat(dev, limited)).status_code == 200
        await _made(tmp_path, "keys", "revoke", id_[1])
        dev.process.signal(signal.SIGINT)
        assert await dev.process.exited() == 0
    assert (state / "first-key").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700

    async with dev_up(tmp_path, *arguments, env=REQUIRED) as dev:
        assert _first_key(dev) == first
        assert (await _chat(dev, first)).status_code == 200
        assert (await _chat(dev, limited)).status_code == 429  # the minute is not over
        assert (await _chat(dev, revoked)).status_code == 401
        usage = await _made(tmp_path, "usage", "--by", "key")
        assert re.search(r"Ada +1 ", usage), usage


async def test_dev_closes_the_usage_of_a_run_that_was_killed(tmp_path: Path) -> None:
    arguments = (*SIMULATED, "--state", str(tmp_path / "state"))
    async with (
        dev_up(tmp_path, *arguments) as dev,
        plain_client(dev.url) as client,
        client.stream("POST", "/api/generate", json={"prompt": "hi"}) as response,
    ):
        await anext(response.aiter_text())
        dev.process.kill()
    async with dev_up(tmp_path, *arguments):
        usage = ""
        for _ in range(60):
            usage = await _made(tmp_path, "usage", "--by", "key")
            if re.search(r"anonymous +1 +1 +0 ", usage):  # requests, failed, open
                return
        raise AssertionError(usage)


async def test_dev_refuses_a_state_directory_in_use_and_names_both_ways_out(tmp_path: Path) -> None:
    state = tmp_path / "state"
    arguments = (*SIMULATED, "--state", str(state))
    async with dev_up(tmp_path, *arguments) as dev:
        second = tmp_path / "second"
        second.mkdir()
        other = Dev(second, *arguments)
        assert await other.process.exited() == 1
        assert other.output == (
            f"penstock dev: the state directory {state} is in use by another penstock dev (process {dev.process.pid});"
            " end it, or add --state DIR for another directory or --fresh for none\n"
        )
        code, out, err = await _penstock(tmp_path, "reset", "--yes", "--state", str(state))
        assert (code, out) == (1, "")
        assert err.endswith("; end it first\n")


async def test_dev_state_is_in_the_data_folder_by_default_and_reset_deletes_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    state = data / "penstock" / "dev"
    environ = {"TMPDIR": str(tmp_path), "XDG_DATA_HOME": str(data)}
    async with dev_up(tmp_path, *SIMULATED, env=environ, keeps=True) as dev:
        assert f"State: {state} keeps" in dev.output
        await _made(tmp_path, "keys", "create", "Ada")
    (state / "mine.txt").write_text("not penstock's")

    code, _, err = await _penstock(tmp_path, "reset")
    assert (code, err) == (1, "penstock reset: standard input is no terminal: add --yes\n")
    assert (state / "jetstream").is_dir()

    controller, terminal = pty.openpty()
    os.write(controller, b"y\n")
    code, out, err = await _penstock(tmp_path, "reset", stdin=terminal)
    os.close(controller)
    os.close(terminal)
    assert code == 0, err
    assert out.startswith(f"Delete all API keys, limits and usage in {state}? [y/N] ")
    assert [path.name for path in state.iterdir()] == ["mine.txt"]
    assert await _made(tmp_path, "reset", "--yes") == f"{state}: nothing is kept there"


async def test_dev_serves_without_state_if_its_default_directory_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    environ = {"TMPDIR": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    async with dev_up(tmp_path, *SIMULATED, env=environ, keeps=True) as dev:
        assert "cannot be used: Not a directory: keys and usage end with this run" in dev.output
        assert "State: none" in dev.output

    chosen = Dev(tmp_path, *SIMULATED, "--state", str(tmp_path / "data" / "x"))
    assert await chosen.process.exited() == 1
    assert chosen.output == f"penstock dev: the state directory {tmp_path}/data/x cannot be used: Not a directory\n"
