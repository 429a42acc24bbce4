"""aiohttp responses with bounded JSON depth, for lists and, line by line, for watches.

kopf decodes with `json.loads` and ends at its errors. aiohttp accepts a response class per session; patching kopf's
functions was the alternative. This module depends on aiohttp and is independent of object kinds.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp
from aiohttp.connector import Connection

from penstock_operator.kube.nesting import bounded


class BoundedResponse(aiohttp.ClientResponse):
    """Bounds the depth in `json` of a list and in `content.iter_chunked` of a watch."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        await super().start(connection)
        if self.url.query.get("watch") == "true":
            # Provides only the part of a stream that kopf and aiohttp use.
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
