"""The vendors' own SDKs read the scripted servers that tests/integration/test_vendors.py calls."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness.provider import ScriptedProvider
from harness.provider_call import Answer
from harness.vendors.azure_openai import azure_openai
from harness.vendors.workers_ai import workers_ai
from library_process import HERE, run_script

pytestmark = pytest.mark.asyncio(loop_scope="session")

CASES = [
    pytest.param("azure_sdk.py", azure_openai(deployment="d", key="k", api_version="2024-10-21"), id="azure"),
    pytest.param("cloudflare_sdk.py", workers_ai(model="@cf/meta/llama-3.1-8b-instruct", key="k"), id="cloudflare"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def provider() -> AsyncIterator[ScriptedProvider]:
    provider = await ScriptedProvider.start()
    yield provider
    await provider.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("script", "answer"), CASES)
async def test_vendor_sdk_reads_the_scripted_server(provider: ScriptedProvider, script: str, answer: Answer) -> None:
    upstream = provider.upstream("vendor")
    upstream.answers(answer)
    address = upstream.base_url.removesuffix("/v1")
    assert await run_script(HERE / "vendors" / script, address, "") == "read\n"
