"""The snippets of the pages on clients, run as they stand: only address and model name are replaced."""

import re
from pathlib import Path

import pytest
from harness.stack import Stack
from library_process import HERE, INSTALLED, run_script
from model_server import MODELS, TEXT

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOW_TO = HERE.parent.parent / "docs" / "how-to"
PAGE = (HOW_TO / "client-libraries.md").read_text()
WEB_PAGE = (HOW_TO / "web-page.md").read_text()
SECTIONS = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")[1:]}
FENCED = re.compile(r"^```(python|js)\n(.+?)^```$", re.DOTALL | re.MULTILINE)
SNIPPETS = {name: found.groups() for name, section in SECTIONS.items() if (found := FENCED.search(section))}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("library", SNIPPETS)
async def test_docs_snippet_prints_an_answer(gateway: Stack, tmp_path: Path, library: str) -> None:
    language, code = SNIPPETS[library]
    code = code.replace("http://127.0.0.1:8080", gateway.url).replace("smollm2", MODELS["openai"])
    if language == "js":
        script = INSTALLED / "node" / f"snippet-{re.sub(r'[^a-z]+', '-', library.lower())}.mjs"
    else:
        script = tmp_path / "snippet.py"
    script.write_text(code)
    output = await run_script(script, gateway.url, MODELS["openai"])
    assert ("name='Rome' people=7" if library == "instructor" else TEXT) in output


ANTHROPIC_PAGE = (HOW_TO / "clients" / "anthropic.md").read_text()
CLAUDE_CODE_PAGE = (HOW_TO / "clients" / "claude-code.md").read_text()
EXPORTS = re.compile(r"^```sh\n(.+?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("dialect", MODELS)
@pytest.mark.parametrize(("language", "code"), FENCED.findall(ANTHROPIC_PAGE), ids=["python", "js"])
async def test_snippet_of_anthropics_sdk_prints_an_answer(
    gateway: Stack, tmp_path: Path, language: str, code: str, dialect: str
) -> None:
    code = code.replace("http://127.0.0.1:8080", gateway.url).replace("smollm2", MODELS[dialect])
    script = INSTALLED / "node" / "snippet-anthropic.mjs" if language == "js" else tmp_path / "snippet.py"
    script.write_text(code)
    assert TEXT in await run_script(script, gateway.url, MODELS[dialect])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("dialect", MODELS)
async def test_environment_of_claude_code_leads_its_requests_to_the_gateway(gateway: Stack, dialect: str) -> None:
    found = EXPORTS.search(CLAUDE_CODE_PAGE)
    assert found is not None
    exports = found[1].replace("http://127.0.0.1:8080", gateway.url).replace("smollm2", MODELS[dialect])
    variables = dict(line.removeprefix("export ").split("=", 1) for line in exports.splitlines())
    output = await run_script(HERE / "python" / "claude_code.py", "http://127.0.0.1:9", "no-such-model", **variables)
    assert " cases passed" in output, output


RESPONSES_PAGE = (HOW_TO / "clients" / "openai-responses.md").read_text()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("dialect", MODELS)
@pytest.mark.parametrize(("language", "code"), FENCED.findall(RESPONSES_PAGE), ids=["python", "js", "agents"])
async def test_docs_snippet_of_responses_prints_an_answer(
    gateway: Stack, tmp_path: Path, language: str, code: str, dialect: str
) -> None:
    code = code.replace("http://127.0.0.1:8080", gateway.url).replace("smollm2", MODELS[dialect])
    script = INSTALLED / "node" / "snippet-openai-responses.mjs" if language == "js" else tmp_path / "snippet.py"
    script.write_text(code)
    assert TEXT in await run_script(script, gateway.url, MODELS[dialect])


async def test_docs_web_page_reads_a_stream(gateway: Stack, tmp_path: Path) -> None:
    found = re.search(r"^```js\n(.+?)^```$", WEB_PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    code = found[1].replace("http://127.0.0.1:8080", gateway.url)
    script = tmp_path / "web-page.mjs"
    script.write_text(code.replace("{ messages:", f"{{ model: {MODELS['openai']!r}, messages:"))
    assert TEXT in await run_script(script, gateway.url, MODELS["openai"])


async def test_docs_page_has_a_snippet_per_library() -> None:
    # `python/llm_models.py` has the settings of llm's snippet.
    assert set(SECTIONS) - set(SNIPPETS) == {"llm", "Penstock's own clients"}
