"""`penstock usage` as a person uses it: sums and rows over the admin API."""

import asyncio
import csv
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.expect import ids_of
from harness.keyed import ADMIN_TOKEN, KeyedStack
from harness.processes import until
from harness.provider_answers import chunk, finish, status, stream, text_stream, usage
from harness.route_spec import completion, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = str(Path(sys.executable).parent / "penstock")
PRICES = {"inputPerMillion": "2", "outputPerMillion": "8"}
# Long enough not to occur in a random id by chance.
PROMPT = "a-prompt-of-these-rows"
ANSWER = "an-answer-of-these-rows"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed() -> AsyncIterator[KeyedStack]:
    """Two keys: one has sent three requests, of which one failed, the other has sent one."""
    async with KeyedStack(models=["main", "=cmd"]) as stack:
        await stack.reconfigure(
            providers=[provider("main", stack.main.base_url, prices=PRICES)], models=["main", "=cmd"]
        )
        stack.keys = [await stack.create_key(name) for name in ("Ada", "Bob")]
        ada, bob = (stack.with_key(made["key"]) for made in stack.keys)
        stack.main.answers(stream(chunk(ANSWER), finish(), usage(1000, 50)))
        answers = [await ada.post("/v1/chat/completions", json=completion(PROMPT)) for _ in range(2)]
        stack.main.answers(status(400))
        answers.append(await ada.post("/v1/chat/completions", json=completion(PROMPT)))
        stack.main.answers(text_stream(ANSWER))
        answers.append(await bob.post("/v1/chat/completions", json={**completion(PROMPT), "model": "=cmd"}))
        stack.ids = [ids_of(answer) for answer in answers]

        async def closed() -> bool:
            rows = (await stack.admin.get("/admin/usage/rows")).json()["rows"]
            return len(rows) == 4 and all("ended" in row for row in rows)

        await until(closed, "every row is closed")
        yield stack


async def run(stack: KeyedStack, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PENSTOCK_ADMIN_URL": str(stack.admin.base_url),
        "PENSTOCK_ADMIN_TOKEN": ADMIN_TOKEN,
        "TMPDIR": str(stack.directory),
        **environ,
    }
    return await asyncio.to_thread(
        subprocess.run, [COMMAND, "usage", *arguments], env=environment, capture_output=True, text=True, check=False
    )


async def test_usage_command_sums_by_key(keyed: KeyedStack) -> None:
    ran = await run(keyed)
    assert (ran.returncode, ran.stderr) == (0, "")
    head, *lines = [line.split() for line in ran.stdout.splitlines()]
    assert head[:3] == ["key", "name", "requests"]
    sums = {line[1]: line for line in lines}
    assert sums["Ada"] == [keyed.keys[0]["id"], "Ada", "3", "1", "0", "2000", "0", "100", "0", "0.0048"]
    assert sums["Bob"][2:6] == ["1", "0", "0", "3"]


@pytest.mark.parametrize(
    ("by", "names"), [("model", ["=cmd", "main"]), ("route", ["default.main"]), ("provider", ["main"])]
)
async def test_usage_command_groups_by_another_field(keyed: KeyedStack, by: str, names: list[str]) -> None:
    ran = await run(keyed, "--by", by)
    assert [line.split()[0] for line in ran.stdout.splitlines()] == [by, *names]


async def test_usage_command_writes_csv_without_formulas(keyed: KeyedStack) -> None:
    ran = await run(keyed, "--by", "model", "--csv")
    rows = list(csv.DictReader(ran.stdout.splitlines()))
    assert [row["model"] for row in rows] == ["'=cmd", "main"]
    assert rows[1]["cost"] == "0.0048"
    assert rows[1]["input tokens"] == "2000"


async def test_usage_command_lists_requests(keyed: KeyedStack) -> None:
    ran = await run(keyed, "--by", "request", "--csv")
    rows = list(csv.DictReader(ran.stdout.splitlines()))
    assert [row["request"] for row in rows] == keyed.ids
    assert [row["ended"] for row in rows] == ["stop", "stop", "provider_rejected", "stop"]
    assert rows[0]["cost"] == "0.0024"
    assert PROMPT not in ran.stdout
    assert ANSWER not in ran.stdout


async def test_usage_command_excludes_records_before_since(keyed: KeyedStack) -> None:
    assert len((await run(keyed, "--since", "1h")).stdout.splitlines()) == 3
    assert len((await run(keyed, "--since", "2020-01-01")).stdout.splitlines()) == 3
    assert (await run(keyed, "--since", "2099-01-01")).stdout.splitlines()[1:] == []


async def test_usage_command_excludes_records_from_until_on(keyed: KeyedStack) -> None:
    assert len((await run(keyed, "--until", "2099-01-01")).stdout.splitlines()) == 3
    assert (await run(keyed, "--until", "1h")).stdout.splitlines()[1:] == []


@pytest.mark.parametrize("by", ["key", "model", "route", "provider", "day"])
async def test_usage_command_prints_the_sums_of_the_admin_api(keyed: KeyedStack, by: str) -> None:
    printed = json.loads((await run(keyed, "--by", by, "--since", "2020-01-01", "--json")).stdout)
    assert printed == (await keyed.admin.get(f"/admin/usage?by={by}&since={printed['since']}")).json()
    downloaded = await keyed.admin.get(f"/admin/usage.csv?by={by}")
    assert downloaded.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(downloaded.text.splitlines()))
    assert [(row["requests"], row["input tokens"], row["output tokens"], row["cost"]) for row in rows] == [
        (str(one["requests"]), str(one["input_tokens"]), str(one["output_tokens"]), one["cost"])
        for one in printed["sums"]
    ]


@pytest.mark.parametrize("by", ["key", "model", "request"])
async def test_admin_api_serves_the_csv_of_the_command(keyed: KeyedStack, by: str) -> None:
    printed = await run(keyed, "--by", by, "--since", "2020-01-01", "--csv")
    downloaded = await keyed.admin.get(f"/admin/usage.csv?by={by}")
    assert downloaded.content.decode().splitlines() == printed.stdout.splitlines()


@pytest.mark.parametrize("wrong", [("--since", "soon"), ("--by", "prompt")])
async def test_usage_command_rejects_wrong_arguments(keyed: KeyedStack, wrong: tuple[str, str]) -> None:
    ran = await run(keyed, *wrong)
    assert ran.returncode == 2
    assert wrong[1] in ran.stderr


async def test_usage_command_prints_nothing_without_the_token(keyed: KeyedStack) -> None:
    ran = await run(keyed, PENSTOCK_ADMIN_TOKEN="not-the-token-of-this-installation")
    assert ran.returncode == 1
    assert "admin token" in ran.stderr
    answer = await keyed.caller(str(keyed.admin.base_url)).get("/admin/usage/rows")
    assert answer.status_code == 401


@pytest.mark.parametrize("query", ["since=-1", "since=x", "until=x", "by=prompt"])
async def test_admin_api_rejects_unknown_usage_parameters(keyed: KeyedStack, query: str) -> None:
    answer = await keyed.admin.get(f"/admin/usage?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
