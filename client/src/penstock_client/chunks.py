"""The iterators that a caller holds inside `with client.stream(…) as chunks`: IO around a `ChunkDecoder`, no rules.

Classes, not generators: a suspended async generator is finalised by the event loop some time later, and its response
has to be closed at once for the gateway to stop the provider.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

import httpx

from penstock_client.chunk_decoder import ChunkDecoder
from penstock_client.transport import translated_stream_errors

Chunk = TypeVar("Chunk")


class Chunks(Iterator[Chunk], Generic[Chunk]):
    """The chunks of one answer, each once; ends only if the answer is whole, else raises `GatewayError`."""

    def __init__(self, response: httpx.Response, chunk: type[Chunk]) -> None:
        self.request_id: str | None = response.headers.get("x-request-id")
        self._response = response
        self._body = response.iter_bytes()
        self._decoder = ChunkDecoder(chunk, self.request_id)

    def wait(self) -> None:
        """Return when the next event, or the end, is there to be taken without waiting."""
        while not self._decoder.ready:
            with translated_stream_errors(self.request_id):
                data = next(self._body, b"")
            self._decoder.feed(data)

    def __next__(self) -> Chunk:
        self.wait()
        chunk = self._decoder.pop()
        if chunk is None:
            with suppress(httpx.RequestError, httpx.StreamError):  # the body's end, which frees the connection
                next(self._body, b"")
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Close the response; unless it was read to its end the gateway sees us leave and stops the provider."""
        self._response.close()


class AsyncChunks(AsyncIterator[Chunk], Generic[Chunk]):
    """`Chunks` for asyncio."""

    def __init__(self, response: httpx.Response, chunk: type[Chunk]) -> None:
        self.request_id: str | None = response.headers.get("x-request-id")
        self._response = response
        self._body = response.aiter_bytes()
        self._decoder = ChunkDecoder(chunk, self.request_id)

    async def wait(self) -> None:
        """Return when the next event, or the end, is there to be taken without waiting."""
        while not self._decoder.ready:
            with translated_stream_errors(self.request_id):
                data = await anext(self._body, b"")
            self._decoder.feed(data)

    async def __anext__(self) -> Chunk:
        await self.wait()
        chunk = self._decoder.pop()
        if chunk is None:
            with suppress(httpx.RequestError, httpx.StreamError):  # the body's end, which frees the connection
                await anext(self._body, b"")
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Close the response; unless it was read to its end the gateway sees us leave and stops the provider."""
        await self._response.aclose()
