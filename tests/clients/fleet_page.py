"""The fleet page in a browser, by the names that a user reads or a screen reader reads out."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from browser import Browser, Page
from harness.keyed import ADMIN_TOKEN, KeyedStack

ROUTES_SHOWN = "await page.getByRole('button', { name: 'default.main' }).waitFor()"
PLOTS_SHOWN = "await page.getByRole('img', { name: /by model/ }).waitFor()"
CELLS = """
return page.locator(args.table).evaluate((table) =>
  [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim())))
"""
DOWNLOAD = """
const [download] = await Promise.all([
  page.waitForEvent('download'), page.getByRole('button', { name: args.name, exact: true }).click()])
const { readFile } = await import('node:fs/promises')
return [download.suggestedFilename(), await readFile(await download.path(), 'utf8')]
"""


class FleetPage:
    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls, browser: Browser, stack: KeyedStack, token: str | None = ADMIN_TOKEN, **options: Any
    ) -> AsyncIterator["FleetPage"]:
        """The page, with its token in the fragment. Fails at its end if a request left the origin, or on an error."""
        url = str(stack.admin.base_url).rstrip("/")
        async with browser.page(**options) as page:
            await page.run("await page.goto(args.url)", url=f"{url}/" if token is None else f"{url}/#token={token}")
            if token is not None:
                await page.run(ROUTES_SHOWN)
            yield cls(page, url)
        foreign = [one for one in page.record.requests if not one.startswith((f"{url}/", "data:", f"blob:{url}/"))]
        assert not foreign, foreign
        assert not page.record.problems, page.record.problems

    async def run(self, code: str, **args: Any) -> Any:
        return await self.page.run(code, **args)

    async def evaluate(self, expression: str) -> Any:
        return await self.run(f"return page.evaluate(() => ({expression}))")

    async def press(self, name: str) -> None:
        await self.run("await page.getByRole('button', { name: args.name, exact: true }).click()", name=name)

    async def shows(self, text: str) -> None:
        await self.run("await page.getByText(args.text).first().waitFor()", text=text)

    async def cells(self, table: str) -> list[list[str]]:
        """The text of each cell of the body of a table."""
        found: list[list[str]] = await self.run(CELLS, table=table)
        return found

    async def usage(self) -> None:
        await self.run(f"await page.getByRole('tab', {{ name: 'Usage' }}).click(); {PLOTS_SHOWN}")

    async def download(self, name: str) -> tuple[str, str]:
        """The name and the text of the file that a button stores."""
        file, text = await self.run(DOWNLOAD, name=name)
        return file, text
