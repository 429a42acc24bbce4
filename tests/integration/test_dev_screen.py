"""The screen of `penstock dev` shows which provider answered each request, and why another one refused it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

from harness.dev import dev_up
from harness.plain_client import plain_client

ROUTE = """
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {{name: r}}
spec:
  models: [{{name: gpt}}]
  providers:
    - {{name: first, type: OpenAI, baseURL: "http://127.0.0.1:{port}/v1", allowHTTP: true,
       secretKeyRef: {{name: mine, key: api-key}}}}
    - {{name: second, type: Simulated, priority: 1, simulated: {{tokens: 3, tokensPerSecond: 1000}}}}
"""
KEY = "sk-proj-0123456789abcdefghijklmnop"


@contextlib.asynccontextmanager
async def _provider(status: int, message: str) -> AsyncIterator[int]:
    """A provider that refuses every request."""
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                length = request.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                writer.write(head.encode() + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_dev_shows_the_status_and_message_of_a_refusal_and_the_provider_that_answered(tmp_path: Path) -> None:
    route = tmp_path / "routes.yaml"
    async with _provider(503, f"no capacity for {KEY} at http://10.0.0.7:9/v1") as port:
        route.write_text(ROUTE.format(port=port))
        async with (
            dev_up(tmp_path, "-f", str(route), env={"MINE_API_KEY": KEY}) as dev,
            plain_client(dev.url, timeout=60) as client,
        ):
            answer = await client.post("/api/generate", json={"prompt": "a secret question"})
            assert answer.status_code == 200
            id_ = answer.headers["x-request-id"]
            await dev.reports("provider first: HTTP 503 provider_unavailable, no capacity for")
            await dev.reports("gpt: provider second answered (")
            lines = [line for line in dev.output.splitlines() if id_ in line]
            assert lines[0].startswith("worker r: provider first: HTTP 503 ")
            assert lines[-1].startswith("gateway: gpt: provider second answered (")
            assert KEY not in dev.output
            assert "10.0.0.7" not in dev.output
            assert "secret question" not in dev.output


async def test_dev_shows_the_message_of_a_request_that_is_wrong(tmp_path: Path) -> None:
    route = tmp_path / "routes.yaml"
    async with _provider(400, "roles must alternate") as port:
        route.write_text(ROUTE.format(port=port))
        async with (
            dev_up(tmp_path, "-f", str(route), env={"MINE_API_KEY": KEY}) as dev,
            plain_client(dev.url, timeout=60) as client,
        ):
            answer = await client.post("/api/generate", json={"prompt": "hi"})
            assert answer.status_code == 400
            await dev.reports("provider first: HTTP 400 provider_rejected, roles must alternate")
            await dev.reports("gpt: provider_rejected, no provider (")
