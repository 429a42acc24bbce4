"""One gateway process, connected to the test's broker.

async with Gateway.running(nats.url, tmp_path) as gateway:
    await gateway.has_model("simulated")
    response = await gateway.request("simulated")
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
from harness.gateway_probe import is_ready, lists
from harness.plain_client import plain_client
from harness.processes import Process, free_port, until

REQUEST_S = 60.0


class Gateway:
    def __init__(self, process: Process, client: httpx.AsyncClient, start: Callable[[], Process]) -> None:
        self.process = process
        self.client = client
        self._start = start

    def restart(self) -> None:
        """Start it again, on the same port; its process has ended."""
        self.process = self._start()

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, nats_url: str, directory: Path, **env: str) -> AsyncIterator["Gateway"]:
        """Ends with the block; ready when it begins."""
        port = free_port()
        settings = {"PENSTOCK_NATS_URL": nats_url, "PENSTOCK_PORT": str(port), **env}

        def start() -> Process:
            return Process.python("gateway", "penstock_gateway", directory / "gateway.log", settings)

        process = start()
        limits = httpx.Limits(max_connections=None)
        url = f"http://127.0.0.1:{port}"
        async with plain_client(url, timeout=REQUEST_S, limits=limits) as client:
            gateway = cls(process, client, start)
            try:
                await until(lambda: is_ready(process, client), "the gateway is ready")
                yield gateway
            finally:
                await gateway.process.end()

    async def has_model(self, model: str) -> None:
        """Wait until it lists the model."""
        await until(lambda: lists(self.client, model), f"the gateway lists {model}")

    async def drops_model(self, model: str) -> None:
        """Wait until it lists the model no more."""

        async def gone() -> bool:
            answer = await self.client.get("/v1/models")
            return answer.status_code == 200 and model not in [known["id"] for known in answer.json()["data"]]

        await until(gone, f"the gateway lists {model} no more")

    async def request(self, model: str, *, stream: bool = False) -> httpx.Response:
        """One whole answer."""
        return await self.client.post("/v1/chat/completions", json=question(model, stream=stream))


def question(model: str, *, stream: bool) -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}


class Reader:
    """One streamed answer of the model "simulated", counted."""

    def __init__(self, gateway: Gateway, tokens: int) -> None:
        self._gateway = gateway
        self._tokens = tokens
        self.begun = asyncio.Event()
        self.body = ""

    async def read(self) -> None:
        async with self._gateway.client.stream(
            "POST", "/v1/chat/completions", json=question("simulated", stream=True)
        ) as response:
            assert response.status_code == 200
            async for text in response.aiter_text():
                self.body += text
                self.begun.set()

    @property
    def whole(self) -> bool:
        return self.body.count('"content":"') >= self._tokens and self.body.endswith("data: [DONE]\n\n")
