"""The OpenAPI document against the running gateway: schemathesis makes requests of it, and judges the answers by it."""

import asyncio
import sys
from pathlib import Path

import pytest
from harness.expect import error_of
from harness.plain_client import plain_client
from harness.provider_answers import embeddings, text_stream
from harness.provider_call import Call
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"models": ["smollm2", {"name": "minilm", "type": "Embedding"}]}
SEED = "20261128"
# Not `negative_data_rejection`: requests are read leniently, so that `include_usage: 0` is no error. Not
# `positive_data_acceptance`: no schema can express which models are chat models.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)


async def answer(call: Call) -> None:
    """The answer of an OpenAI-compatible provider to a valid request."""
    if call.path.endswith("/embeddings"):
        given = call.body["input"]
        single = isinstance(given, str) or isinstance(given[0], int)
        await embeddings([0.5, -0.5] for _ in ([given] if single else given))(call)
    else:
        await text_stream("Hel", "lo")(call)


@pytest.mark.timeout(360)
async def test_gateway_conforms_to_its_openapi_document(stack: Stack, tmp_path: Path) -> None:
    stack.main.answers(answer)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{stack.url}/schema/openapi.json",
        *("--url", stack.url, "--seed", SEED, "--max-examples", "6", "--phases", "examples,coverage,fuzzing"),
        *("--checks", ",".join(CHECKS), "--generation-database", "none", "--no-color", "--request-timeout", "20"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output.decode(errors="replace")[-8000:]
    assert len(stack.main.calls) > 20, "hardly any request was good"


@pytest.mark.parametrize("path", ["/schema", "/schema/swagger", "/schema/a/b", "/schema/openapi.yml"])
async def test_openapi_unknown_page_is_an_error_of_the_one_shape(stack: Stack, path: str) -> None:
    async with plain_client(stack.url) as client:
        answer = await client.get(path)
    if path == "/schema":
        assert answer.json()["info"]["title"] == "Penstock"
    else:
        error_of(answer, 404, "not_found")


async def test_metrics_content_type_names_its_charset_once(stack: Stack) -> None:
    async with plain_client(stack.url) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
