"""Reads a stream of events as a client does."""

import re

import httpx
import msgspec


class StreamReader:
    """Server-sent events of an open response, one at a time."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.raw = b""
        self._chunks = response.aiter_raw()

    async def event(self) -> str:
        """The next event's text, without its blank line. Raises `StopAsyncIteration` at the end."""
        while b"\n\n" not in self.raw[self._at :]:
            self.raw += await anext(self._chunks)
        end = self.raw.index(b"\n\n", self._at)
        text = self.raw[self._at : end].decode()
        self._at = end + 2
        return text

    async def rest(self) -> str:
        """Everything from here to the end."""
        async for data in self._chunks:
            self.raw += data
        text = self.raw[self._at :].decode()
        self._at = len(self.raw)
        return text

    _at = 0


def texts_of(body: str) -> str:
    """The text of an answer of either dialect, put together."""
    found: list[str] = []
    for event in body.split("\n\n"):
        match = re.fullmatch(r"data: (\{.*\})", event)
        if match is None:
            continue
        value = msgspec.json.decode(match[1])
        if "text" in value:
            found.append(value["text"])
        found += [choice["delta"].get("content") or "" for choice in value.get("choices", [])]
    return "".join(found)
