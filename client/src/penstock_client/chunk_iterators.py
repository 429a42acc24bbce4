"""The iterators that a caller holds inside `with client.stream(…) as chunks`: IO around a `ChunkDecoder`, no rules.

Classes, not generators: a suspended async generator is finalised by the event loop some time later, and its response
has to be closed at once for the gateway to stop the provider.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

import httpx

from penstock_client.chunk_decoder import ChunkDecoder
from penstock_client.errors import StreamTruncated
from penstock_client.resume import ResumeLimit, is_stream_id
from penstock_client.transport import translated_stream_errors

Chunk = TypeVar("Chunk")


class StreamSource(NamedTuple):
    """Reads streams again: `again(id, received, cut)` is a response with the events after the first `received`.

    It raises `cut` if there is none. `abandon(id)` stops a stream, best effort; it is None for a stream that
    goes on without a reader.
    """

    again: Callable[[str, int, StreamTruncated], httpx.Response]
    abandon: Callable[[str], None] | None


class AsyncStreamSource(NamedTuple):
    """`StreamSource` for asyncio."""

    again: Callable[[str, int, StreamTruncated], Awaitable[httpx.Response]]
    abandon: Callable[[str], Awaitable[None]] | None


class Chunks(Iterator[Chunk], Generic[Chunk]):
    """The chunks of one answer, each once; ends only if the answer is whole, else raises `GatewayError`."""

    def __init__(
        self,
        response: httpx.Response,
        chunk: type[Chunk],
        source: StreamSource | None = None,
        id_: str | None = None,
        received: int = 0,
    ) -> None:
        self.request_id: str | None = id_ or response.headers.get("x-request-id")
        self._response = response
        self._body = response.iter_bytes()
        self._decoder = ChunkDecoder(chunk, self.request_id, received)
        self._source = source if is_stream_id(self.request_id) else None
        self._limit = ResumeLimit()
        self._ended = False

    def wait(self) -> None:
        """Return when the next event, or the end, is there to be taken without waiting."""
        while not self._decoder.ready:
            try:
                with translated_stream_errors(self.request_id):
                    data = next(self._body, b"")
                self._decoder.feed(data)
            except StreamTruncated as cut:
                self._resume(cut)

    def __next__(self) -> Chunk:
        self.wait()
        self._ended = True  # unless it is a chunk: an error ends the stream, too
        chunk = self._decoder.pop()
        self._ended = chunk is None
        if chunk is None:
            with suppress(httpx.RequestError, httpx.StreamError):  # the body's end, which frees the connection
                next(self._body, b"")
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Close the response; unless it was read to its end, the stream is stopped, and with it the provider's call."""
        try:
            if not self._ended and self._source is not None and self._source.abandon is not None:
                self._ended = True
                self._source.abandon(str(self.request_id))
        finally:
            self._response.close()

    def _resume(self, cut: StreamTruncated) -> None:
        """Go on with another response; raises `cut` if the stream cannot be read again."""
        if self._source is None or self._limit.reached(self._decoder.received):
            self._ended = True  # not stopped: another client may read it again
            raise cut
        self._response.close()
        self._response = self._source.again(str(self.request_id), self._decoder.received, cut)
        self._body = self._response.iter_bytes()
        self._decoder.restart()


class AsyncChunks(AsyncIterator[Chunk], Generic[Chunk]):
    """`Chunks` for asyncio."""

    def __init__(
        self,
        response: httpx.Response,
        chunk: type[Chunk],
        source: AsyncStreamSource | None = None,
        id_: str | None = None,
        received: int = 0,
    ) -> None:
        self.request_id: str | None = id_ or response.headers.get("x-request-id")
        self._response = response
        self._body = response.aiter_bytes()
        self._decoder = ChunkDecoder(chunk, self.request_id, received)
        self._source = source if is_stream_id(self.request_id) else None
        self._limit = ResumeLimit()
        self._ended = False

    async def wait(self) -> None:
        """Return when the next event, or the end, is there to be taken without waiting."""
        while not self._decoder.ready:
            try:
                with translated_stream_errors(self.request_id):
                    data = await anext(self._body, b"")
                self._decoder.feed(data)
            except StreamTruncated as cut:
                await self._resume(cut)

    async def __anext__(self) -> Chunk:
        await self.wait()
        self._ended = True  # unless it is a chunk: an error ends the stream, too
        chunk = self._decoder.pop()
        self._ended = chunk is None
        if chunk is None:
            with suppress(httpx.RequestError, httpx.StreamError):  # the body's end, which frees the connection
                await anext(self._body, b"")
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Close the response; unless it was read to its end, the stream is stopped, and with it the provider's call."""
        try:
            if not self._ended and self._source is not None and self._source.abandon is not None:
                self._ended = True
                await self._source.abandon(str(self.request_id))
        finally:
            await self._response.aclose()

    async def _resume(self, cut: StreamTruncated) -> None:
        """Go on with another response; raises `cut` if the stream cannot be read again."""
        if self._source is None or self._limit.reached(self._decoder.received):
            self._ended = True  # not stopped: another client may read it again
            raise cut
        await self._response.aclose()
        self._response = await self._source.again(str(self.request_id), self._decoder.received, cut)
        self._body = self._response.aiter_bytes()
        self._decoder.restart()
