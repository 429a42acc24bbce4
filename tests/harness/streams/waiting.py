"""A client that waits for its answer's first token, and records what it receives meanwhile: SDKs skip keep-alives."""

import time
from typing import Any

import httpx
import msgspec
from msgspec import Struct

PING = ": ping"


class Heard(Struct):
    """The received parts in order: keep-alives before the first token, then the text; times are monotonic."""

    pings: int = 0
    first_token_at: float | None = None
    text: str = ""
    error: dict[str, Any] | None = None
    whole: bool = False


async def wait_for(client: httpx.AsyncClient, model: str) -> Heard:
    """One request to the OpenAI endpoint, to its end."""
    heard = Heard()
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        if response.status_code != 200:
            heard.error = msgspec.json.decode(await response.aread())["error"]
            return heard
        async for line in response.aiter_lines():
            if line == PING:
                heard.pings += heard.first_token_at is None
            elif line == "data: [DONE]":
                heard.whole = True
            elif line:
                _hear(heard, msgspec.json.decode(line.removeprefix("data: ")))
    return heard


def _hear(heard: Heard, chunk: dict[str, Any]) -> None:
    heard.error = heard.error or chunk.get("error")
    for choice in chunk.get("choices", ()):
        if said := choice["delta"].get("content"):
            if heard.first_token_at is None:
                heard.first_token_at = time.monotonic()
            heard.text += said
