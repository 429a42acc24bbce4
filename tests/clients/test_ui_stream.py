"""The UI message stream by the AI SDK's own schema, and `useChat` in a browser's page of another origin."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from harness.provider import Upstream
from harness.provider_answers import DONE, chunk, finish, usage
from harness.provider_call import Call
from harness.route_spec import provider, spec
from harness.stack import Stack
from library_process import HERE, INSTALLED, run_script
from model_server import MODELS, TEXT
from test_docs import FENCED
from unit.support.ui_streams import STREAMS

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "halves"
FENCED_JSX = re.compile(r"^```jsx\n(.+?)^```$", re.DOTALL | re.MULTILINE)
PAGE = (HERE.parent.parent / "docs" / "how-to" / "clients" / "ai-sdk.md").read_text()


@pytest.mark.timeout(60)
async def test_ui_streams_pass_the_schema_of_the_sdk(gateway: Stack, tmp_path: Path) -> None:
    streams = tmp_path / "streams.json"
    streams.write_text(json.dumps({name: data.decode() for name, (_, data) in STREAMS.items()}))

    script = INSTALLED / "node" / "ui_chunks.mjs"
    output = await run_script(script, gateway.url, MODELS["openai"], STREAMS=str(streams))

    assert f"{len(STREAMS)} of {len(STREAMS)} cases passed" in output


@pytest.mark.timeout(60)
async def test_docs_snippet_of_the_core_prints_an_answer(gateway: Stack) -> None:
    found = FENCED.search(PAGE)
    assert found is not None
    code = found[2].replace("http://127.0.0.1:8080", gateway.url).replace("smollm2", MODELS["openai"])
    script = INSTALLED / "node" / "snippet-ai-sdk-page.mjs"
    script.write_text(code)

    assert TEXT in await run_script(script, gateway.url, MODELS["openai"])


class Browser:
    """The page of the docs in Chromium; each step returns the texts that the page then shows."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def step(self, **command: str | bool) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line.startswith(b"["):
            rest = line + await self._process.stdout.read()
            raise AssertionError(rest.decode())
        texts: list[str] = json.loads(line)
        return texts

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.stdout is not None:
            rest = await self._process.stdout.read()
            assert await self._process.wait() == 0, rest.decode()


@pytest.fixture(scope="session")
def chromium() -> str:
    path = os.environ.get("PENSTOCK_TEST_CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists() and os.environ.get("PENSTOCK_TEST_BROWSER") != "required":
        pytest.skip(f"no browser at {path}: install Debian's chromium, or set PENSTOCK_TEST_CHROMIUM")
    return path


@pytest_asyncio.fixture(loop_scope="session")
async def browser(gateway: Stack, page_port: int, chromium: str, tmp_path: Path) -> AsyncIterator[Browser]:
    code = FENCED_JSX.search(PAGE)
    assert code is not None
    page = tmp_path / "chat.jsx"
    page.write_text(code[1].replace("http://127.0.0.1:8080", gateway.url).replace("smollm2", MODEL))
    process = await asyncio.create_subprocess_exec(
        "node",
        "--preserve-symlinks-main",
        "--preserve-symlinks",
        str(INSTALLED / "node" / "use_chat.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PAGE": str(page), "PORT": str(page_port), "CHROMIUM": chromium},
    )
    made = Browser(process)
    try:
        yield made
        await made.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Halves:
    """A model that gives the second half of its answer when the test allows it."""

    def __init__(self) -> None:
        self.second = asyncio.Event()
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> None:
        self.calls.append(call)
        await call.head()
        await call.write(chunk("Half of it"))
        await self.second.wait()
        await call.write(chunk(" and the rest."))
        for piece in (finish(), usage(), DONE):
            await call.write(piece)
        await call.end()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def upstream(gateway: Stack) -> Upstream:
    """The provider of a route of its own."""
    made = gateway.provider.upstream(MODEL)
    await gateway.apply(MODEL, spec([provider("p", made.base_url)], models=[MODEL]))
    await gateway.start_worker(MODEL)
    return made


@pytest.fixture
def halves(upstream: Upstream) -> Halves:
    model = Halves()
    upstream.answers(model)
    return model


@pytest.mark.timeout(90)
async def test_use_chat_in_a_browser_shows_the_answer_as_it_comes(browser: Browser, halves: Halves) -> None:
    assert await browser.step(open="chat-1") == []
    assert await browser.step(say="Hello!", wait="Half of it") == ["Hello!", "Half of it"]

    halves.second.set()

    assert await browser.step(wait="Half of it and the rest.", gone="Stop") == ["Hello!", "Half of it and the rest."]
    assert await browser.step(say="Again!", gone="Stop", wait="Again!") != []
    assert [message["role"] for message in halves.calls[-1].body["messages"]] == ["user", "assistant", "user"]


@pytest.mark.timeout(90)
async def test_use_chat_in_a_browser_reads_on_after_a_reload(browser: Browser, halves: Halves) -> None:
    await browser.step(open="chat-3")
    await browser.step(say="Hello!", wait="Half of it")

    assert await browser.step(reload=True, wait="Half of it") == ["Hello!", "Half of it"]
    await browser.step(button="Stop")
    halves.second.set()

    whole = ["Hello!", "Half of it and the rest."]
    assert await browser.step(wait=whole[1], gone="Stop") == whole
    assert await browser.step(reload=True, wait=whole[1]) == whole
    assert len(halves.calls) == 1


@pytest.mark.timeout(90)
async def test_use_chat_in_a_browser_stops(browser: Browser, halves: Halves) -> None:
    await browser.step(open="chat-2")
    await browser.step(say="Hello!", wait="Half of it")

    assert await browser.step(press="Stop", gone="Stop") == ["Hello!", "Half of it"]

    await halves.calls[-1].left()
    assert await browser.step(reload=True, wait="Half of it") == ["Hello!", "Half of it"]
