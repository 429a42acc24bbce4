"""Penstock's TypeScript client in a real browser, in a page of another origin than the gateway's."""

import os
from pathlib import Path

import pytest
from harness.stack import Stack
from library_process import HERE, INSTALLED
from model_server import MODELS, TEXT
from web_page import CHROMIUM, run_page

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("PENSTOCK_TEST_BROWSER") != "required", reason="no Chromium is installed"
    ),
]

CLIENT = INSTALLED / "node" / "node_modules" / "@penstock" / "client" / "dist"
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
async def test_typescript_client_works_in_a_browser(gateway: Stack, page_port: int, tmp_path: Path) -> None:
    results = await run_page(
        page_port,
        HERE / "browser" / "client.mjs",
        {"@penstock/client": "/client/index.js"},
        {"client": CLIENT},
        {"baseURL": gateway.url, "model": MODELS["openai"]},
        tmp_path,
    )
    assert results == EXPECTED
