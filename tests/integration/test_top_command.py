"""`penstock top` in a real terminal, against a real gateway: figures, keys, errors, exit codes."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.dev import EXAMPLES, dev_up
from harness.keyed import ADMIN_TOKEN, KeyedStack
from harness.processes import free_port, until
from harness.provider_answers import chunk, finish, status, stream, text_then_wait, usage
from harness.route_spec import completion, provider
from harness.terminal import Terminal, terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = str(Path(sys.executable).parent / "penstock")
PRICES = {"inputPerMillion": "2", "outputPerMillion": "8"}
FAST = ("--interval", "0.5")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed() -> AsyncIterator[KeyedStack]:
    """Three requests, of which one failed, by the key of Ada."""
    async with KeyedStack() as stack:
        await stack.reconfigure(providers=[provider("main", stack.main.base_url, prices=PRICES)])
        ada = stack.with_key((await stack.create_key("Ada"))["key"])
        stack.main.answers(stream(chunk("one"), finish(), usage(1000, 50)))
        for _ in range(2):
            await ada.post("/v1/chat/completions", json=completion())
        stack.main.answers(status(400))
        await ada.post("/v1/chat/completions", json=completion())
        await until(lambda: _closed(stack), "every row is closed")
        yield stack


async def _closed(stack: KeyedStack) -> bool:
    rows = (await stack.admin.get("/admin/usage/rows")).json()["rows"]
    return len(rows) == 3 and all("ended" in row for row in rows)


def environment(stack: KeyedStack, **environ: str) -> dict[str, str]:
    return {
        "PENSTOCK_ADMIN_URL": str(stack.admin.base_url),
        "PENSTOCK_ADMIN_TOKEN": ADMIN_TOKEN,
        "TMPDIR": str(stack.directory),
        **environ,
    }


async def run(stack: KeyedStack, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run,
        [COMMAND, "top", *arguments],
        env=environment(stack, **environ),
        capture_output=True,
        text=True,
        check=False,
    )


LAST = "most frequent error"
ROUTE = ["default.main", "0", "0/64", "1", "0"]


async def test_top_command_shows_a_full_screen_table(keyed: KeyedStack) -> None:
    async with terminal([COMMAND, "top", *FAST], environment(keyed)) as shown:
        await shown.shows("default.main")
        assert shown.screen[0].startswith("penstock top   1 gateway   0 in flight   0 waiting   0 tok/s   today 0.0048")
        words = shown.line("default.main")
        assert words[:5] == ROUTE
        assert words[-5:] == ["3", "1", "(33.3%)", "0.0048", "provider_rejected"]
        assert shown.line("Ada")[2:] == ["3", "0.0048"]
        assert "q quit" in " ".join(shown.screen)
        assert b"\x1b[?1049h" in shown.all, "the alternate screen"


async def test_top_command_follows_a_stream_from_its_start_to_its_end(keyed: KeyedStack) -> None:
    keyed.main.answers(text_then_wait(*["word "] * 50))
    async with terminal([COMMAND, "top", *FAST], environment(keyed)) as shown:
        await shown.shows("default.main")
        async with keyed.stream("/v1/chat/completions", {**completion(), "stream": True}) as reader:
            await reader.event()
            await shown.shows("1/64")
            await until(lambda: float(shown.line("default.main")[4]) > 0, "tokens per second are shown")
        await shown.shows("0/64")


async def test_top_command_ends_at_q_and_leaves_the_terminal_as_it_was(keyed: KeyedStack) -> None:
    async with terminal([COMMAND, "top"], environment(keyed)) as shown:
        await shown.shows("default.main")
        assert not shown.echoes()
        shown.press("q")
        assert await shown.exited() == 0
        assert shown.echoes()
        assert b"\x1b[?1049l" in shown.all
        assert b"\x1b[?25h" in shown.all, "the cursor is shown again"


async def test_top_command_ends_at_ctrl_c(keyed: KeyedStack) -> None:
    async with terminal([COMMAND, "top"], environment(keyed)) as shown:
        await shown.shows("default.main")
        shown.process.send_signal(signal.SIGINT)
        assert await shown.exited() == 130
        assert shown.echoes()
        assert b"Traceback" not in shown.all


async def test_top_command_changes_order_and_scope_at_a_key(keyed: KeyedStack) -> None:
    async with terminal([COMMAND, "top"], environment(keyed)) as shown:
        await shown.shows("s sort: activity   g this gateway only")
        shown.press("s")
        await shown.shows("s sort: name")
        shown.press("g")
        await shown.shows("penstock top   this gateway")
        assert shown.line("default.main")[:5] == ROUTE


async def test_top_command_fits_a_smaller_terminal(keyed: KeyedStack) -> None:
    async with terminal([COMMAND, "top", *FAST], environment(keyed)) as shown:
        await shown.shows(LAST)
        shown.resize(16, 110)
        await until(lambda: shown.line("default.main")[:5] == ROUTE and _narrow(shown), "the narrow table is shown")


def _narrow(shown: Terminal) -> bool:
    return LAST not in " ".join(shown.screen) and any("q quit" in line for line in shown.screen)


async def test_top_command_prints_one_table_without_a_terminal(keyed: KeyedStack) -> None:
    for arguments in ((), ("--once",)):
        ran = await run(keyed, *arguments)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "\x1b" not in ran.stdout
        (line,) = [line for line in ran.stdout.splitlines() if line.startswith("default.main")]
        assert line.split()[:5] == ROUTE


async def test_top_command_prints_the_response_of_the_admin_api(keyed: KeyedStack) -> None:
    printed = json.loads((await run(keyed, "--json")).stdout)
    served = (await keyed.admin.get("/admin/fleet")).json()
    assert printed["routes"] == served["routes"]
    assert printed["spend_today"]["keys"] == served["spend_today"]["keys"]


async def test_top_command_prints_the_address_of_the_page(keyed: KeyedStack) -> None:
    url = str(keyed.admin.base_url).rstrip("/")
    assert (await run(keyed, "--page")).stdout == f"{url}/#token={ADMIN_TOKEN}\n"


async def test_top_command_reports_a_wrong_token(keyed: KeyedStack) -> None:
    for arguments in (("--once",), ("--json",)):
        ran = await run(keyed, *arguments, PENSTOCK_ADMIN_TOKEN="not-the-token-of-this-installation")
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "admin token" in ran.stderr
    environ = environment(keyed, PENSTOCK_ADMIN_TOKEN="not-the-token-of-this-installation")
    async with terminal([COMMAND, "top"], environ) as shown:
        assert await shown.exited() == 1
        assert b"penstock top: the admin token is missing or not valid" in shown.all
        assert b"\x1b[?1049h" not in shown.all, "no screen is opened for it"


async def test_top_command_reports_a_gateway_that_is_not_there(keyed: KeyedStack) -> None:
    ran = await run(keyed, "--url", f"http://127.0.0.1:{free_port()}")
    assert ran.returncode == 3
    assert "Connection refused" in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_top_command_reports_a_missing_address(keyed: KeyedStack) -> None:
    ran = await run(keyed, PENSTOCK_ADMIN_TOKEN="")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "PENSTOCK_ADMIN_TOKEN is not set" in ran.stderr


@pytest.mark.parametrize("wrong", [("--interval", "0"), ("--interval", "soon"), ("--interval", "nan"), ("--sort", "x")])
async def test_top_command_rejects_wrong_arguments(keyed: KeyedStack, wrong: tuple[str, str]) -> None:
    ran = await run(keyed, *wrong)
    assert ran.returncode == 2
    assert wrong[1] in ran.stderr


async def test_top_command_keeps_its_table_while_the_gateway_is_away() -> None:
    async with KeyedStack() as stack, terminal([COMMAND, "top", *FAST], environment(stack)) as shown:
        await shown.shows("default.main")
        await stack.gateway.end()
        await shown.shows("trying again")
        assert shown.line("default.main")
        await stack.start_gateway()
        await until(lambda: not any("trying again" in line for line in shown.screen), "the table is live again")
        shown.press("q")
        assert await shown.exited() == 0


async def test_top_command_finds_penstock_dev_without_settings(tmp_path: Path) -> None:
    async with dev_up(tmp_path, "-f", str(EXAMPLES / "simulated.yaml")) as dev:
        command = [COMMAND, "top", "--once"]
        environ = {"TMPDIR": str(dev.directory)}
        ran = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert any(line.split()[:4] == ["default.simulated", "0", "0/64", "1"] for line in ran.stdout.splitlines())
