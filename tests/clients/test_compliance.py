"""The compliance suite of Anthropic's API, offline, against both dialects' routes."""

import asyncio

import pytest
from harness.stack import Stack
from library_process import INSTALLED
from model_server import MODELS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
@pytest.mark.parametrize("dialect", MODELS)
async def test_messages_pass_the_compliance_suite(gateway: Stack, dialect: str, version: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(INSTALLED / "python" / "bin" / "llm-comply"),
        *("-u", f"{gateway.url}/v1", "-k", "not-needed", "-m", MODELS[dialect], "--format", "anthropic"),
        *("--auth-header", "x-api-key", "--no-bearer", "-H", f"anthropic-version:{version}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    assert "All 8 tests passed" in text, text
