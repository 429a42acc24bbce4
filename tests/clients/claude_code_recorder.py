"""Records the requests of the real Claude Code on both provider dialects: `make record-claude-code`.

It is run without a terminal (`-p`), with the environment of docs/how-to/clients/claude-code.md, a home of its own, and
the model of `harness.claude_code`. The recordings replace those in tests/integration/claude_code.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from harness.claude_code import (
    ANSWER,
    DIALECTS,
    FILE,
    FOLDER,
    PROMPT,
    Exchange,
    model,
    neutral,
    neutral_headers,
    replayed,
)
from harness.route_spec import provider
from harness.stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "clients" / "claude-code.md"
NOT_FORWARDED = {"host", "connection", "content-length", "accept-encoding", "transfer-encoding"}
QUIET = (
    "DISABLE_TELEMETRY",
    "DISABLE_AUTOUPDATER",
    "DISABLE_ERROR_REPORTING",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
)


class Recorder(ThreadingHTTPServer):
    """Forwards each request to the gateway, whole, and keeps it."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.port = port
        self.exchanges: list[Exchange] = []
        super().__init__(("127.0.0.1", 0), Forwarder)


class Forwarder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        upstream = HTTPConnection("127.0.0.1", self.server.port)
        upstream.request(self.command, self.path, body or None, headers)
        response = upstream.getresponse()
        answer = response.read()
        request = json.loads(body) if body else None
        self.server.exchanges.append(Exchange(self.command, self.path, headers, request, response.status, None, ""))
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in NOT_FORWARDED:
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815 - the base class finds them by these names

    def log_message(self, *_: object) -> None:
        """No log."""


@asynccontextmanager
async def recorder(port: int) -> AsyncIterator[Recorder]:
    server = Recorder(port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    await asyncio.to_thread(server.shutdown)
    server.server_close()
    thread.join()


async def run(program: str, port: int, project: str) -> None:
    """One session of Claude Code, with the variables of the documentation."""
    exports = re.findall(r"^export (\w+)=(.+)$", PAGE.read_text(), re.MULTILINE)
    variables = {name: "main" if value == "smollm2" else value for name, value in exports}
    variables |= dict.fromkeys(QUIET, "1") | {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}"}
    process = await asyncio.create_subprocess_exec(
        *(program, "-p", PROMPT),
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": project, **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    if process.returncode or output.decode().strip() != ANSWER:
        raise RuntimeError(f"Claude Code did not answer with the model's text: {output.decode()}")


async def record(program: str, name: str) -> list[Exchange]:
    async with Stack() as stack:
        providers = [provider("main", stack.main.base_url, type=DIALECTS[name], model="provided")]
        await stack.reconfigure(providers=providers)
        with tempfile.TemporaryDirectory() as project:
            (Path(project) / FILE).write_text("Rome is sunny.\n")
            stack.main.answers(model(name, project))
            async with recorder(stack.gateway_port) as server:
                await run(program, server.server_port, project)
            made = [_neutral(exchange, project) for exchange in server.exchanges]
        stack.main.answers(model(name))
        return [await replayed(stack, exchange) for exchange in made]


def _neutral(exchange: Exchange, project: str) -> Exchange:
    headers: dict[str, Any] = neutral_headers(exchange.headers)
    return msgspec.structs.replace(exchange, headers=headers, body=neutral(exchange.body, project))


async def main(program: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in DIALECTS:
        exchanges = await record(program, name)
        lines = [json.dumps(msgspec.to_builtins(exchange), ensure_ascii=False) for exchange in exchanges]
        (FOLDER / f"{name}.jsonl").write_text("\n".join([*lines, ""]), "utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
