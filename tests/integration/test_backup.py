"""`penstock backup` and `penstock restore`: keys, limits and usage records reach another installation."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness.keyed import ADMIN_TOKEN, KeyedStack
from harness.processes import free_port, until
from harness.provider_answers import chunk, finish, stream, usage
from harness.route_spec import completion

from penstock_broker.stores import backups
from penstock_operator.nats.keys import ADMIN

COMMAND = str(Path(sys.executable).parent / "penstock")


async def run(stack: KeyedStack, command: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """With the admin's credentials."""
    assert stack.users is not None
    environment = {
        "PENSTOCK_NATS_URL": stack.nats.url,
        "PENSTOCK_NATS_CREDENTIALS": stack.users.write("admin", stack.users.keys.admin_files()[ADMIN]),
    }
    line = [COMMAND, command, str(folder), *arguments]
    return await asyncio.to_thread(subprocess.run, line, env=environment, capture_output=True, text=True, check=False)


async def rows(admin: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await admin.get("/admin/usage/rows")).json()["rows"]
    return found


@pytest.mark.timeout(180)
async def test_backup_restores_keys_limits_and_usage_into_an_empty_installation(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    async with KeyedStack(users=True) as old:
        made = await old.create_key("Ada", limits={"requests_per_minute": 1000})
        ada = old.with_key(made["key"])
        old.main.answers(stream(chunk("hello"), finish(), usage(1000, 50)))
        for _ in range(3):
            assert (await ada.post("/v1/chat/completions", json=completion("a prompt"))).status_code == 200

        async def closed() -> bool:
            found = await rows(old.admin)
            return len(found) == 3 and all("ended" in row for row in found)

        await until(closed, "every row is closed")
        recorded = await rows(old.admin)
        saved = await run(old, "backup", folder)
        assert (saved.returncode, saved.stderr) == (0, ""), saved.stderr
        assert "USAGE: 3 records" in saved.stdout
        again = await run(old, "backup", folder)
        assert again.returncode == 1
        assert "is not empty" in again.stderr
        # Nothing is restored below running gateways.
        used = await run(old, "restore", folder, "--replace")
        assert used.returncode == 1
        assert "stop gateways and operator first" in used.stderr

    async with KeyedStack(users=True) as new:
        new.gateway.kill()
        await until(lambda: not new.gateway.alive, "the gateway is gone")

        async def unread() -> bool:
            return "stop gateways" not in (await run(new, "restore", folder)).stderr

        await until(unread, "nothing reads the keys")
        refused = await run(new, "restore", folder)
        assert refused.returncode == 1
        assert "repeat with --replace" in refused.stderr
        restored = await run(new, "restore", folder, "--replace")
        assert (restored.returncode, restored.stderr) == (0, ""), restored.stderr
        assert restored.stdout == saved.stdout

        port = free_port()
        url = await new.another_gateway(PENSTOCK_ADMIN_PORT=str(port))
        admin = new.caller(f"http://127.0.0.1:{port}", {"authorization": f"Bearer {ADMIN_TOKEN}"})
        assert await rows(admin) == recorded
        keys = {key["name"]: key for key in (await admin.get("/admin/keys")).json()["keys"]}
        assert keys["Ada"]["limits"]["requests_per_minute"] == 1000
        new.main.answers(stream(chunk("hello"), finish(), usage(10, 5)))
        answered = await new.with_key(made["key"], url).post("/v1/chat/completions", json=completion("a prompt"))
        assert answered.status_code == 200
        assert answered.json()["choices"][0]["message"]["content"] == "hello"


async def test_restore_names_an_incomplete_backup_and_an_absent_broker(tmp_path: Path) -> None:
    def restore(folder: Path) -> "subprocess.CompletedProcess[str]":
        line = [COMMAND, "restore", str(folder), "--nats-url", f"nats://127.0.0.1:{free_port()}"]
        return subprocess.run(line, env={}, capture_output=True, text=True, check=False)

    incomplete = await asyncio.to_thread(restore, tmp_path)
    assert incomplete.stderr == f"penstock restore: {tmp_path} has no complete backup of KV_keys, KV_limits, USAGE\n"
    for stream_name in backups.SAVED:
        (tmp_path / stream_name).mkdir()
        (tmp_path / stream_name / backups.DESCRIPTION).write_text("{}")
    absent = await asyncio.to_thread(restore, tmp_path)
    assert absent.returncode == 1
    assert "penstock restore: no connection to nats://127.0.0.1" in absent.stderr
