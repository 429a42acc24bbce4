"""Unchanged client libraries against a gateway, each on a route of each provider dialect."""

import pytest
from harness.stack import Stack
from library_process import HERE, INSTALLED, run_script
from model_server import MODELS

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_LIBRARIES = {"browser", "bundle", "cases", "ui_chunks"}
"""Scripts that other tests run, or import."""
SCRIPTS = sorted(
    str(script.relative_to(HERE))
    for pattern in ("python/*.py", "node/*.mjs")
    for script in HERE.glob(pattern)
    if script.stem not in NO_LIBRARIES
)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("dialect", MODELS)
@pytest.mark.parametrize("script", SCRIPTS)
async def test_library_works_unchanged(gateway: Stack, script: str, dialect: str) -> None:
    folder = INSTALLED if script.endswith(".mjs") else HERE
    output = await run_script(folder / script, gateway.url, MODELS[dialect])
    assert " cases passed" in output, output
