"""The programs of examples/python and the module of examples/web run against a gateway, unchanged."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
from harness.provider_answers import text_stream
from harness.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = Path(__file__).parents[2] / "examples"


async def _run(*command: str | Path, **environ: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        env={"PATH": os.environ["PATH"], **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.parametrize(("name", "printed"), [("stream.py", "Hello\n"), ("budget.py", "3: 5 characters")])
async def test_python_example_prints_the_answer(stack: Stack, name: str, printed: str) -> None:
    stack.main.answers(text_stream("Hel", "lo"))
    out = await _run(sys.executable, EXAMPLES / "python" / name, PENSTOCK_URL=stack.url, MODEL="main")
    assert printed in out
    assert name != "stream.py" or "request req_" in out


async def test_web_example_shows_the_text_as_it_comes(stack: Stack, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node is installed; tests/clients require it")
    stack.main.answers(text_stream("Hel", "lo"))
    script = tmp_path / "run.mjs"
    script.write_text(
        f"import {{ ask }} from {str(EXAMPLES / 'web' / 'page.mjs')!r}\n"
        f"const shown = []\n"
        f"const text = await ask({stack.url!r}, 'hi', (text) => shown.push(text), {{ model: 'main' }})\n"
        f"console.log(JSON.stringify([text, shown.at(-1)]))\n"
        f"await ask({stack.url!r}, 'hi', () => {{}}, {{ model: 'none' }}).catch((e) => console.log(e.message))\n"
    )
    first, second = (await _run(node, script)).splitlines()
    assert first == '["Hello","Hello"]'
    assert "none" in second
