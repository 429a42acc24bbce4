"""The responses that kopf reads: JSON whose depth is bounded, as lists and line by line as watches.

kopf decodes with `json.loads`, and ends at an error of it. aiohttp lets a session have its own class of responses;
changing kopf's functions was the alternative. It knows aiohttp, and nothing about objects.
"""

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import aiohttp

from penstock_operator.kube.nesting import bounded

if TYPE_CHECKING:
    from aiohttp.connector import Connection


class BoundedResponse(aiohttp.ClientResponse):
    """Of a list its `json`, of a watch its `content.iter_chunked`."""

    async def start(self, connection: "Connection") -> aiohttp.ClientResponse:
        await super().start(connection)
        if self.url.query.get("watch") == "true":
            # Only what kopf and aiohttp use of a stream is there.
            self.content = cast(aiohttp.StreamReader, BoundedLines(self.content))
        return self

    async def json(self, **_: Any) -> Any:
        return json.loads(bounded(await self.read()))


class BoundedLines:
    """A stream whose chunks are whole lines."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        parts: list[bytes] = []
        async for chunk in self._stream.iter_chunked(size):
            lines, newline, rest = chunk.rpartition(b"\n")
            if newline:
                for line in b"".join((*parts, lines)).split(b"\n"):
                    yield bounded(line) + newline
                parts = []
            if rest:
                parts.append(rest)
        if parts:
            yield bounded(b"".join(parts))
