"""The UI message stream by the AI SDK's own schema, and `useChat` in a browser's page of another origin."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from harness.provider import DONE, Call, chunk, finish, usage
from harness.route_spec import provider, spec
from harness.stack import Stack
from library_process import HERE, INSTALLED, run_script
from model_server import MODELS
from test_docs import FENCED
from unit.support.ui_streams import STREAMS

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = (HERE.parent.parent / "docs" / "how-to" / "clients" / "ai-sdk.md").read_text()


@pytest.mark.timeout(60)
async def test_ui_streams_pass_the_schema_of_the_sdk(gateway: Stack, tmp_path: Path) -> None:
    streams = tmp_path / "streams.json"
    streams.write_text(json.dumps({name: data.decode() for name, (_, data) in STREAMS.items()}))

    script = INSTALLED / "node" / "ui_chunks.mjs"
    output = await run_script(script, gateway.url, MODELS["openai"], STREAMS=str(streams))

    assert f"{len(STREAMS)} of {len(STREAMS)} cases passed" in output
