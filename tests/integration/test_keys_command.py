"""`penstock keys` as a person uses it: over the admin API of a gateway, or of the `penstock dev` that runs here."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.keyed import ADMIN_TOKEN, FIRST_KEY, KeyedStack
from harness.processes import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = str(Path(sys.executable).parent / "penstock")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed() -> AsyncIterator[KeyedStack]:
    async with KeyedStack() as stack:
        yield stack


async def keys(stack: KeyedStack, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """The command with the address and token of the stack's admin API."""
    environment = {
        "PENSTOCK_ADMIN_URL": str(stack.admin.base_url),
        "PENSTOCK_ADMIN_TOKEN": ADMIN_TOKEN,
        "TMPDIR": str(stack.directory),
        **environ,
    }
    return await asyncio.to_thread(
        subprocess.run, [COMMAND, "keys", *arguments], env=environment, capture_output=True, text=True, check=False
    )


async def test_keys_command_prints_only_a_key_that_works(keyed: KeyedStack) -> None:
    made = await keys(keyed, "create", "Ada", "--model", "main", "--expires-in", "30d", "--metadata", "team=blue")
    assert made.returncode == 0, made.stderr
    (key,) = made.stdout.split()
    assert made.stdout == f"{key}\n"
    assert "shown this once" in made.stderr
    assert key not in made.stderr
    await until(lambda: _status_is(keyed, key, 200), "the key is accepted")


async def test_keys_command_lists_rotates_and_revokes_a_key(keyed: KeyedStack) -> None:
    made = json.loads(
        (
            await keys(
                keyed,
                *("create", "Bob", "--json", "--requests-per-minute", "60", "--tokens-per-minute", "1000"),
                *("--concurrent-streams", "2", "--queue-share-percent", "50", "--budget", "10.00", "--period", "Day"),
                *("--route", "default.*", "--currency", "EUR"),
            )
        ).stdout
    )
    assert made["limits"] == {
        "requests_per_minute": 60,
        "tokens_per_minute": 1000,
        "concurrent_streams": 2,
        "queue_share_percent": 50,
    }
    assert made["budget"] == {"amount": "10.00", "period": "Day", "currency": "EUR"}
    listed = (await keys(keyed, "list")).stdout.splitlines()
    assert listed[0].split() == ["ID", "NAME", "KEY", "STATE", "EXPIRES", "MODELS"]
    assert [line.split() for line in listed if "Bob" in line] == [
        [made["id"], "Bob", f"sk-…{made['hint']}", "active", "never", "all"]
    ]
    shown = json.loads((await keys(keyed, "show", made["id"])).stdout)
    assert shown == {name: value for name, value in made.items() if name != "key"}

    rotated = await keys(keyed, "rotate", made["id"], "--grace", "0s")
    assert rotated.stdout.strip() not in {"", made["key"]}
    await until(lambda: _status_is(keyed, made["key"], 401), "the old one is refused")
    await until(lambda: _status_is(keyed, rotated.stdout.strip(), 200), "the new one is accepted")

    revoked = await keys(keyed, "revoke", made["id"])
    assert (revoked.returncode, revoked.stdout) == (0, "")
    assert made["id"] in revoked.stderr
    await until(lambda: _status_is(keyed, rotated.stdout.strip(), 401), "the key is refused")
    assert "revoked" in next(line for line in (await keys(keyed, "list")).stdout.splitlines() if "Bob" in line)


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "logged"),
    [
        (["create", "x\ny"], {}, 1, "name"),
        (["create", "x", "--budget", "much"], {}, 1, "budget.amount"),
        (["create", "x", "--expires-in", "soon"], {}, 2, "30d"),
        (["show", "Ada"], {}, 2, "not a key's id"),
        (["show", "key_0123456789abcdef"], {}, 1, "no key with this id"),
        (["list"], {"PENSTOCK_ADMIN_TOKEN": FIRST_KEY}, 1, "admin token"),
        (["list"], {"PENSTOCK_ADMIN_TOKEN": ""}, 1, "PENSTOCK_ADMIN_TOKEN is not set"),
        (["list"], {"PENSTOCK_ADMIN_URL": "http://127.0.0.1:9"}, 3, "no answer"),
        ([], {}, 2, "COMMAND"),
    ],
)
async def test_keys_command_reports_an_error_in_one_line_and_an_exit_code(
    keyed: KeyedStack, arguments: list[str], environ: dict[str, str], code: int, logged: str
) -> None:
    done = await keys(keyed, *arguments, **environ)
    assert done.returncode == code
    assert logged in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


async def _status_is(keyed: KeyedStack, key: str, status: int) -> bool:
    return (await keyed.with_key(key).get("/v1/models")).status_code == status
