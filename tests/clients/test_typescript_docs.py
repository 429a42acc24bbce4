"""The TypeScript of the documentation and of examples/typescript, compiled and run against a gateway."""

import re
from pathlib import Path

import pytest
from harness.stack import Stack
from library_process import HERE, run_script
from model_server import MODELS, TEXT
from typescript_compiler import CLIENT, TOOLS, compiled, run_command

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = HERE.parent.parent
PAGE = (ROOT / "docs" / "how-to" / "clients" / "typescript.md").read_text()
README = (CLIENT / "README.md").read_text()
FENCED = re.compile(r"^```ts\n(.+?)^```$", re.DOTALL | re.MULTILINE)
SNIPPETS = [*FENCED.findall(PAGE), *FENCED.findall(README)]
EXAMPLE = ROOT / "examples" / "typescript"
SOURCES = ("backend.ts", "main.mjs")
OPENAPI_TYPES = (HERE / "openapi_types.ts").read_text()


def adapted(code: str, url: str) -> str:
    """The snippet with the test's address and model; a call without a model gets one."""
    code = code.replace("http://127.0.0.1:8080", url).replace("smollm2", MODELS["openai"])
    return code.replace("content: 'Hello!' }] })", f"content: 'Hello!' }}], model: '{MODELS['openai']}' }})")


@pytest.mark.timeout(120)
async def test_typescript_snippets_of_the_docs_compile_and_run(gateway: Stack) -> None:
    sources = {f"snippet{index}.ts": adapted(code, gateway.url) for index, code in enumerate(SNIPPETS)}
    assert len(sources) >= 6
    folder = await compiled("typescript-docs", sources)
    outputs = [await run_command("node", str(folder / file.replace(".ts", ".js"))) for file in sources]
    failed = [output for output in outputs if "model_not_found 404 false req_" in output]
    answered = [output for output in outputs if TEXT in output.replace("\n", "")]
    assert (len(failed), len(answered)) == (1, len(outputs) - 1), outputs


@pytest.mark.timeout(120)
async def test_typescript_example_answers_a_prompt(gateway: Stack) -> None:
    folder = await compiled("typescript-example", {file: (EXAMPLE / file).read_text() for file in SOURCES})
    assert await run_script(folder / "main.mjs", gateway.url, MODELS["openai"]) == f"{TEXT}\n"


@pytest.mark.timeout(120)
async def test_openapi_document_gives_openapi_typescript_types_of_streams(gateway: Stack, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes((await gateway.client.get("/schema/openapi.json")).content)
    types = tmp_path / "openapi.d.ts"
    await run_command(str(TOOLS / "openapi-typescript"), str(document), "-o", str(types))
    await compiled("openapi-types", {"openapi.d.ts": types.read_text(), "openapi_types.ts": OPENAPI_TYPES})
