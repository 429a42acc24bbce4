"""The UI message stream by the AI SDK's own schema, and `useChat` in a browser's page of another origin."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from browser import Browser, Page
from halves import Halves
from harness.provider import Upstream
from harness.route_spec import provider, spec
from harness.stack import Stack
from library_process import HERE, INSTALLED, run_script
from model_server import MODELS, TEXT
from test_docs import FENCED
from unit.support.ui_streams import STREAMS
from web_page import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "halves"
FENCED_JSX = re.compile(r"^```jsx\n(.+?)^```$", re.DOTALL | re.MULTILINE)
HTML = '<!doctype html><meta charset="utf-8"><div id="root"></div><script src="/page.js"></script>'
STEP = """
const { url, open, say, wait, reload, press, gone, button } = args
if (open) await page.goto(`${url}#${open}`)
if (reload) await page.reload()
if (say) {
  await page.getByRole('textbox').fill(say)
  await page.getByRole('textbox').press('Enter')
}
if (press) await page.getByRole('button', { name: press }).click()
if (wait) await page.getByText(wait, { exact: true }).waitFor()
if (button) await page.getByRole('button', { name: button }).waitFor()
if (gone) await page.getByRole('button', { name: gone }).waitFor({ state: 'detached' })
return page.locator('p').allTextContents()
"""
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


class Chat:
    """The component of the docs in a page; each step returns the texts that the page then shows."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url

    async def step(self, **command: str | bool) -> list[str]:
        texts: list[str] = await self._page.run(STEP, url=self._url, **command)
        return texts


@pytest_asyncio.fixture(loop_scope="session")
async def chat(gateway: Stack, page_port: int, browser: Browser, tmp_path: Path) -> AsyncIterator[Chat]:
    code = FENCED_JSX.search(PAGE)
    assert code is not None
    component = tmp_path / "chat.jsx"
    component.write_text(code[1].replace("http://127.0.0.1:8080", gateway.url).replace("smollm2", MODEL))
    script = await run_script(INSTALLED / "node" / "bundle.mjs", gateway.url, MODEL, PAGE=str(component))
    with serving(page_port, HTML, {}, {"page.js": script}) as url:
        async with browser.page() as page:
            yield Chat(page, url)
    assert page.record.problems == []


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
async def test_use_chat_in_a_browser_shows_the_answer_as_it_comes(chat: Chat, halves: Halves) -> None:
    assert await chat.step(open="chat-1") == []
    assert await chat.step(say="Hello!", wait="Half of it") == ["Hello!", "Half of it"]

    halves.second.set()

    assert await chat.step(wait="Half of it and the rest.", gone="Stop") == ["Hello!", "Half of it and the rest."]
    assert await chat.step(say="Again!", gone="Stop", wait="Again!") != []
    assert [message["role"] for message in halves.calls[-1].body["messages"]] == ["user", "assistant", "user"]


@pytest.mark.timeout(90)
async def test_use_chat_in_a_browser_reads_on_after_a_reload(chat: Chat, halves: Halves) -> None:
    await chat.step(open="chat-3")
    await chat.step(say="Hello!", wait="Half of it")

    assert await chat.step(reload=True, wait="Half of it") == ["Hello!", "Half of it"]
    await chat.step(button="Stop")
    halves.second.set()

    whole = ["Hello!", "Half of it and the rest."]
    assert await chat.step(wait=whole[1], gone="Stop") == whole
    assert await chat.step(reload=True, wait=whole[1]) == whole
    assert len(halves.calls) == 1


@pytest.mark.timeout(90)
async def test_use_chat_in_a_browser_stops(chat: Chat, halves: Halves) -> None:
    await chat.step(open="chat-2")
    await chat.step(say="Hello!", wait="Half of it")

    assert await chat.step(press="Stop", gone="Stop") == ["Hello!", "Half of it"]

    await halves.calls[-1].left()
    assert await chat.step(reload=True, wait="Half of it") == ["Hello!", "Half of it"]
