"""A client that waits for its answer's first token, and records what it receives meanwhile: SDKs skip keep-alives."""

import time
from typing import Any

import httpx
import msgspec
from msgspec import Struct

PING = ": ping"


class Received(Struct):
    """The received parts in order: keep-alives before the first token, then the text; times are monotonic."""

    pings: int = 0
    first_token_at: float | None = None
    text: str = ""
    error: dict[str, Any] | None = None
    whole: bool = False


async def wait_for(client: httpx.AsyncClient, model: str) -> Received:
    """One request to the OpenAI endpoint, to its end."""
    received = Received()
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        if response.status_code != 200:
            received.error = msgspec.json.decode(await response.aread())["error"]
            return received
        async for line in response.aiter_lines():
            if line == PING:
                received.pings += received.first_token_at is None
            elif line == "data: [DONE]":
                received.whole = True
            elif line:
                _receive(received, msgspec.json.decode(line.removeprefix("data: ")))
    return received


def _receive(received: Received, chunk: dict[str, Any]) -> None:
    received.error = received.error or chunk.get("error")
    for choice in chunk.get("choices", ()):
        if logged := choice["delta"].get("content"):
            if received.first_token_at is None:
                received.first_token_at = time.monotonic()
            received.text += logged
