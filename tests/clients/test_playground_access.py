"""The playground for all users: keyboard, colours, a narrow screen, and the rules of axe-core."""

import re
from typing import Any

import pytest
from browser import Browser
from harness.keyed import FIRST_KEY, KeyedStack
from harness.provider_answers import embeddings, status, text_stream
from library_process import INSTALLED
from playground_page import Playground

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]

AXE = str(INSTALLED / "node" / "node_modules" / "axe-core" / "axe.min.js")
WIDE = """# Aheadingwithoutanyplacetobreakaheadingwithoutanyplacetobreak

https://example.org/averylongaddresswithoutanyplacetobreakaverylongaddresswithoutanyplacetobreak

```
a line of code that is far longer than three hundred and sixty pixels are wide, and is not broken
```

| one | two | three | four | five | six |
|---|---|---|---|---|---|
| something | something | something | something | something | something |
"""
BACKGROUND = "getComputedStyle(document.documentElement).backgroundColor"
OUTSIDE = """[...document.querySelectorAll('header *, .dock *, .answer > *')]
  .filter((one) => one.checkVisibility() && !one.closest('.hidden'))
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5)
  .map((one) => one.outerHTML)"""
TYPE_TWO_LINES = """
await page.keyboard.type('one')
await page.keyboard.press('Shift+Enter')
await page.keyboard.type('two')
await page.keyboard.press('Enter')
"""


async def faults(playground: Playground) -> list[Any]:
    """Serious and critical faults that axe-core finds in the page as it is."""
    found: list[Any] = await playground.run(
        "const { readFile } = await import('node:fs/promises');"
        "await page.evaluate(await readFile(args.path, 'utf8'));"
        "const { violations } = await page.evaluate(() => axe.run());"
        "return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))"
        ".map(({ id, nodes }) => [id, nodes.map((node) => node.html + ' ' + node.failureSummary)])",
        path=AXE,
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_playground_has_no_serious_fault_of_access(
    playground_stack: KeyedStack, browser: Browser, scheme: str
) -> None:
    stack = playground_stack
    stack.provider.reset()
    async with Playground.opened(
        browser, stack.url, FIRST_KEY, colorScheme=scheme, reducedMotion="reduce"
    ) as playground:
        assert await faults(playground) == []

        stack.main.answers(text_stream(WIDE), status(400, body={"error": {"message": "no", "code": "bad"}}))
        await playground.send("Hello!")
        await playground.ended()
        await playground.send("Hello again!")
        await playground.ended("failed")
        assert await faults(playground) == []

        await playground.press("Options")
        assert await faults(playground) == []
        await playground.press("Close")
        await playground.press("API key")
        assert await faults(playground) == []
        await playground.press("Cancel")

        stack.main.answers(embeddings([[1.0, 0.0]] * 4))
        await playground.run("await page.getByRole('tab', { name: 'Embeddings' }).click()")
        await playground.press("Compare")
        await playground.run("await page.locator('.similarities').waitFor()")
        assert await faults(playground) == []


async def test_playground_fits_a_narrow_screen(playground_stack: KeyedStack, browser: Browser) -> None:
    stack = playground_stack
    stack.provider.reset()
    size = {"width": 360, "height": 740}
    width = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    async with Playground.opened(
        browser, stack.url, FIRST_KEY, viewport=size, hasTouch=True, isMobile=True
    ) as playground:
        assert await playground.evaluate(width) == size["width"]
        stack.main.answers(text_stream(WIDE), status(400, body={"error": {"message": "x" * 300, "code": "bad"}}))
        await playground.send("averylongwordwithoutanyplacetobreak" * 4)
        await playground.ended()
        await playground.send("Hello again!")
        await playground.ended("failed")
        assert await playground.evaluate(width) == size["width"]
        outside = await playground.evaluate(OUTSIDE)
        assert outside == []

        stack.main.answers(embeddings([[1.0, 0.0]] * 4))
        await playground.run("await page.getByRole('tab', { name: 'Embeddings' }).click()")
        await playground.press("Compare")
        await playground.run("await page.locator('.similarities').waitFor()")
        assert await playground.evaluate(width) == size["width"]


def brightness(colour: str) -> float:
    found = [float(number) for number in re.findall(r"[\d.]+", colour)]
    return sum(found[:3]) / 3


async def test_playground_follows_the_systems_colours_and_keeps_a_choice(
    playground_stack: KeyedStack, browser: Browser
) -> None:
    async with Playground.opened(browser, playground_stack.url, FIRST_KEY, colorScheme="dark") as playground:
        assert brightness(await playground.evaluate(BACKGROUND)) < 60
        await playground.run("await page.emulateMedia({ colorScheme: 'light' })")
        assert brightness(await playground.evaluate(BACKGROUND)) > 200

        await playground.press("Dark colours")
        assert brightness(await playground.evaluate(BACKGROUND)) < 60
        await playground.run("await page.reload()")
        assert brightness(await playground.evaluate(BACKGROUND)) < 60
        await playground.press("Dark colours")
        assert brightness(await playground.evaluate(BACKGROUND)) > 200
        assert await playground.evaluate("localStorage.length") == 0


async def test_playground_works_with_the_keyboard(playground: Playground, playground_stack: KeyedStack) -> None:
    playground_stack.main.answers(text_stream("Hello"))
    focused = "document.activeElement.id"
    assert await playground.evaluate(focused) == "prompt"
    await playground.run(TYPE_TWO_LINES)
    await playground.ended()
    assert (await playground_stack.main.called()).body["messages"][0]["content"] == "one\ntwo"
    assert await playground.evaluate(focused) == "prompt"
    assert await playground.evaluate("document.querySelector('[role=status]').textContent") == "Answer complete. Hello"

    await playground.run(
        "await page.getByRole('tab', { name: 'Chat' }).focus(); await page.keyboard.press('ArrowRight')"
    )
    assert await playground.evaluate(focused) == "tab-embeddings"
    await playground.run("await page.keyboard.press('Tab')")
    outline = await playground.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
