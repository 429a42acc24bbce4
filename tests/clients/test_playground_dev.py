"""`penstock dev` with its bundled models, in a browser: what a new user sees first."""

from pathlib import Path

import pytest
from browser import Browser
from harness.dev import dev_up
from playground_page import MODELS_SHOWN, Playground

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


async def test_dev_serves_the_playground_with_real_models(browser: Browser, tmp_path: Path) -> None:
    async with dev_up(tmp_path) as dev:
        assert "a browser shows the playground there" in dev.output
        async with Playground.opened(browser, dev.url, None) as playground:
            await playground.run(MODELS_SHOWN)
            await playground.send("Why is the sky blue? Answer in one sentence.")
            await playground.run("await page.locator('.answer[data-state=done]').waitFor({ timeout: 90_000 })")
            assert (await playground.text()).strip()
            assert await playground.figure("cost") == "0"

            await playground.run("await page.getByRole('tab', { name: 'Embeddings' }).click()")
            await playground.press("Compare")
            await playground.run("await page.locator('.similarities').waitFor()")
            cells = await playground.run("return page.locator('.similarities td:not(:empty)').allInnerTexts()")
            alike, different = float(cells[1]), float(cells[2])
            assert alike > different
