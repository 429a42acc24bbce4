"""The playground in a browser, by the names that a user reads or a screen reader reads out."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from browser import Browser, Page
from harness.keyed import FIRST_KEY
from harness.link import Link

NARROW = "narrow"
"""A model whose worker serves one request at a time."""
KEY = "await context.addInitScript((args) => sessionStorage.setItem('penstock.key', args.key), args)"
MODELS_SHOWN = (
    "await page.locator('#chat-model option[value]:not([value=\"\"])').first().waitFor({ state: 'attached' })"
)
SEND = """
const box = page.getByLabel('Message', { exact: true })
await box.fill(args.text)
await box.press('Enter')
"""
FIGURE = "return page.locator(`.answer:last-child [data-figure=${args.name}] dd`).innerText()"


class Playground:
    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, browser: Browser, url: str, key: str | None, *, at: str = "/", **options: Any
    ) -> AsyncIterator["Playground"]:
        """The page with a key in its tab. Fails at its end if a request left the origin, or the page had an error."""
        async with browser.page(**options) as page:
            if key is not None:
                await page.run(KEY, key=key)
            await page.run("await page.goto(args.url)", url=url + at)
            if key is not None:
                await page.run(MODELS_SHOWN)
            yield cls(page, url)
        foreign = [one for one in page.record.requests if not one.startswith((f"{url}/", "data:", "blob:"))]
        assert not foreign, foreign
        assert not page.record.problems, page.record.problems

    @classmethod
    @contextlib.asynccontextmanager
    async def behind_link(cls, browser: Browser, port: int) -> AsyncIterator[tuple["Playground", Link]]:
        """The page with the first key, and the connections between it and the gateway at `port`."""
        link = await Link.start(port)
        try:
            async with cls.opened(browser, link.url.replace("nats:", "http:"), FIRST_KEY) as playground:
                yield playground, link
        finally:
            link.cut()

    async def run(self, code: str, **args: Any) -> Any:
        return await self.page.run(code, **args)

    async def evaluate(self, expression: str, **args: Any) -> Any:
        """The value of an expression in the page, which may use `args`."""
        return await self.run(f"return page.evaluate((args) => ({expression}), args)", **args)

    async def choose(self, model: str) -> None:
        await self.run("await page.getByLabel('Model', { exact: true }).first().selectOption(args.model)", model=model)

    async def send(self, text: str) -> None:
        await self.run(SEND, text=text)

    async def shows(self, text: str) -> None:
        await self.run("await page.getByText(args.text).first().waitFor()", text=text)

    async def ended(self, state: str = "done") -> None:
        await self.run("await page.locator(`.answer:last-child[data-state=${args.state}]`).waitFor()", state=state)

    async def press(self, name: str) -> None:
        await self.run("await page.getByRole('button', { name: args.name, exact: true }).last().click()", name=name)

    async def text(self) -> str:
        """Of the last answer."""
        return str(await self.run("return page.locator('.answer:last-child .markdown').innerText()"))

    async def figure(self, name: str) -> str:
        return str(await self.run(FIGURE, name=name))
