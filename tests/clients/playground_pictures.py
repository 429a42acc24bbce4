"""Takes the pictures of the playground in the docs: `make pictures`. A scripted provider answers at a model's pace."""

import asyncio
import base64
from pathlib import Path
from typing import Any

from browser import Browser
from harness.provider_answers import DONE, chunk, delta, embeddings, finish, usage
from harness.provider_call import Call
from harness.route_spec import provider, spec
from harness.stack import Stack
from playground_page import Playground

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
CHAT, EMBEDDING = "river-large", "river-embed"
QUESTION = "Read a stream of server-sent events in Python, and compare it with polling."
REASONING = "The user wants code and a comparison. httpx can stream lines; a table is short enough for the differences."
ANSWER = """An event stream is a response that **does not end** while there is more to read:

```python
import httpx

with httpx.stream("POST", url, json=body, timeout=None) as response:
    for line in response.iter_lines():
        if line.startswith("data: "):
            print(line.removeprefix("data: "))
```

| | stream | polling |
|---|---|---|
| first byte | as soon as it exists | at the next poll |
| after a break | *read on* from the last event | nothing is lost |

Use a stream for tokens, and polling for jobs of [minutes](https://www.rfc-editor.org/rfc/rfc9110).
"""
VECTORS = [[0.9, 0.35, 0.1], [0.85, 0.45, 0.05], [0.1, 0.3, 0.95], [0.2, 0.15, 0.97]]
LIGHT: dict[str, Any] = {"colorScheme": "light", "viewport": {"width": 1120, "height": 940}}
DARK: dict[str, Any] = {**LIGHT, "colorScheme": "dark"}
PHONE: dict[str, Any] = {"colorScheme": "light", "viewport": {"width": 360, "height": 740}, "deviceScaleFactor": 1.5}
LISTED = "await page.getByRole('option', { name: args.model }).waitFor({ state: 'attached' })"


async def answer(call: Call) -> None:
    if call.path.endswith("/embeddings"):
        await embeddings(VECTORS, tokens=38)(call)
        return
    await call.head()
    await call.write(delta(reasoning_content=REASONING))
    for start in range(0, len(ANSWER), 4):
        await call.write(chunk(ANSWER[start : start + 4]))
        await asyncio.sleep(0.012)
    for piece in (finish(), usage(27, len(ANSWER) // 4), DONE):
        await call.write(piece)
    await call.end()


async def take(playground: Playground, name: str) -> None:
    code = "return (await page.screenshot()).toString('base64')"
    (FOLDER / f"{name}.png").write_bytes(base64.b64decode(await playground.run(code)))


async def chat(browser: Browser, url: str, name: str, options: dict[str, Any]) -> None:
    async with Playground.opened(browser, url, None, **options) as playground:
        await playground.run(LISTED, model=CHAT)
        if name != "playground-start":
            await playground.send(QUESTION)
            await playground.run("await page.locator('[data-figure=cost]').waitFor()")
            await playground.run("await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))")
        await take(playground, name)


async def similarities(browser: Browser, url: str) -> None:
    async with Playground.opened(browser, url, None, at="/#embeddings", **LIGHT) as playground:
        await playground.run(LISTED, model=EMBEDDING)
        await playground.press("Compare")
        await playground.run("await page.locator('.similarities').waitFor()")
        await take(playground, "playground-embeddings")


async def main() -> None:
    async with Stack(route=None, gateway_env={"PENSTOCK_PLAYGROUND": "true"}) as stack:
        upstream = stack.provider.upstream("river")
        upstream.answers(answer)
        prices = {"inputPerMillion": "0.4", "outputPerMillion": "1.6"}
        models = [CHAT, {"name": EMBEDDING, "type": "Embedding"}]
        await stack.apply("river", spec([provider("river", upstream.base_url, prices=prices)], models=models))
        await stack.start_worker("river")
        browser = await Browser.start()
        try:
            for name, options in {
                "playground-start": LIGHT,
                "playground": LIGHT,
                "playground-dark": DARK,
                "playground-phone": PHONE,
            }.items():
                await chat(browser, stack.url, name, options)
            await similarities(browser, stack.url)
        finally:
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
