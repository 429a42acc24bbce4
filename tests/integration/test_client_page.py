"""The snippets of docs/how-to/python-client.md run as they stand: only the address is replaced."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
from harness.provider_answers import embeddings, text_stream
from harness.provider_call import Call
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"models": ("smollm2", {"name": "vectors", "type": "Embedding"})}
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "python-client.md"
SNIPPETS = dict(
    re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.+?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
)
"""The first of each section, by its heading."""
PRINTED = {
    "Stream": "Hello",
    "Call": "Hello",
    "Responses": "Hellocompleted",
    "Embed": "2",
    "Async": "Hello",
    "Errors": "model_not_found 404 req_",
    "Request ids": "0 GET /v1/models 200 req_",
}


async def answer(call: Call) -> None:
    await (embeddings([[0.5, 0.5]]) if call.path.endswith("/embeddings") else text_stream("Hel", "lo"))(call)


@pytest.mark.parametrize("heading", SNIPPETS)
async def test_client_page_snippet_prints_its_answer(stack: Stack, heading: str) -> None:
    stack.main.answers(answer)
    code = SNIPPETS[heading].replace("http://127.0.0.1:8080", stack.url)
    pipe, out = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=pipe, stderr=out)
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    assert PRINTED[heading] in output


async def test_client_page_has_these_snippets() -> None:
    assert set(SNIPPETS) == set(PRINTED)
