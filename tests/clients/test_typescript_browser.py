"""Penstock's TypeScript client in a real browser, in a page of another origin than the gateway's."""

import json

import pytest
from browser import Browser
from harness.stack import Stack
from library_process import HERE, INSTALLED
from model_server import MODELS, TEXT
from web_page import serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENT = INSTALLED / "node" / "node_modules" / "@penstock" / "client" / "dist"
HTML = """<!doctype html>
<meta charset="utf-8">
<script type="importmap">{"imports": {"@penstock/client": "/client/index.js"}}</script>
<script type="module" src="/client.mjs"></script>
"""
RESULTS = """
await page.goto(args.url)
await page.waitForFunction(() => globalThis.results)
return page.evaluate(() => globalThis.results)
"""
EXPECTED = {
    "stream": TEXT,
    "id": True,
    "call": TEXT,
    "error": [True, "model_not_found", 404, True],
    "unreachable": "gateway_unreachable",
    "resume": TEXT,
    "stop": "Paris",
    "abort": "AbortError",
}


@pytest.mark.timeout(120)
async def test_typescript_client_works_in_a_browser(gateway: Stack, page_port: int, browser: Browser) -> None:
    paths = {"client": CLIENT, "client.mjs": HERE / "browser" / "client.mjs"}
    settings = {"settings.json": json.dumps({"baseURL": gateway.url, "model": MODELS["openai"]})}
    with serving(page_port, HTML, paths, settings) as url:
        async with browser.page() as page:
            assert await page.run(RESULTS, url=url) == EXPECTED
