"""The compliance suites of each API, offline, against both dialects' routes: llm-comply."""

import asyncio
import json
from typing import Any

import pytest
from harness.stack import Stack
from library_process import INSTALLED
from model_server import REASONING_MODELS

pytestmark = pytest.mark.asyncio(loop_scope="session")

MESSAGES = ("--format", "anthropic", "--auth-header", "x-api-key", "--no-bearer", "-H")
SUITES = {
    "chat": (9, ("--format", "openai-chat")),
    "responses": (13, ("--format", "open-responses")),
    "messages of 2023": (9, (*MESSAGES, "anthropic-version:2023-06-01")),
    "messages of 2026": (9, (*MESSAGES, "anthropic-version:2026-10-21")),
}
"""The number of a suite's cases, and its options."""
REFUSED = {(REASONING_MODELS["anthropic"], "chat"): "chat-reasoning-summary"}
"""This case sends `reasoning`, a field that OpenAI's chat completions do not have: passed to OpenAI-type providers, and
refused by name for Anthropic, because an answer without the requested reasoning would be another."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("model", REASONING_MODELS.values())
async def test_api_passes_its_compliance_suite(gateway: Stack, model: str, suite: str) -> None:
    cases, options = SUITES[suite]
    process = await asyncio.create_subprocess_exec(
        str(INSTALLED / "python" / "bin" / "llm-comply"),
        *("-u", f"{gateway.url}/v1", "-k", "not-needed", "-m", model, "--json", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode()
    results: list[dict[str, Any]] = json.loads(text[text.index("{") :])["results"]
    assert len(results) == cases, text
    refused = REFUSED.get((model, suite))
    assert {result["id"] for result in results if result["status"] != "passed"} == ({refused} if refused else set()), (
        text
    )
