"""An answer as server-sent events: Litestar sends the start, then the stream writes to the connection itself.

Where the server does not hand over its connection (another ASGI server, HTTP/1.0, tests in process) the same bytes
go through ASGI sends.
"""

import asyncio
import contextlib
from typing import Any

from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseBodyEvent, Receive, Scope, Send

from penstock_gateway.dispatch import OpenStream
from penstock_gateway.protocol import connection_of

HEADERS = {
    # no-transform and x-accel-buffering: proxies must neither compress nor collect a stream (wire.md §1.5).
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}
MEDIA_TYPE = "text/event-stream"


class AsgiWriter:
    """The plain way: bytes wait here until `run` has sent them."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._waiting = bytearray()
        self._changed = asyncio.Event()

    def write(self, data: bytes) -> bool:
        if len(self._waiting) + len(data) > self._bytes_max:
            return False
        self._waiting += data
        self._changed.set()
        return True

    @property
    def stalled(self) -> bool:
        return bool(self._waiting)

    async def run(self, send: Send, done: asyncio.Future[None]) -> None:
        """Send until `done` and everything before it is sent."""
        done.add_done_callback(lambda _: self._changed.set())
        while self._waiting or not done.done():
            self._changed.clear()
            if self._waiting:
                data, self._waiting = bytes(self._waiting), bytearray()
                await send({"type": "http.response.body", "body": data, "more_body": True})
            else:
                await self._changed.wait()


class EventStreamResponse(ASGIResponse):
    def __init__(self, opened: OpenStream, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._opened = opened

    _should_set_content_length = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        opened = self._opened
        try:
            await self.start_response(send)
            connection = connection_of(scope)
            if connection is not None:
                opened.write_to(connection)
                await opened.finished()
            else:
                await self._send_plainly(send)
                if opened.cut_off:
                    # All that ASGI lets us do: a server closes the connection of an answer that is not complete.
                    return
            end: HTTPResponseBodyEvent = {"type": "http.response.body", "body": b"", "more_body": False}
            with contextlib.suppress(OSError):
                await send(end)
        finally:
            await opened.close()

    async def _send_plainly(self, send: Send) -> None:
        stream = self._opened.stream
        writer = AsgiWriter(self._opened.client_buffer_bytes_max)
        stream.attach(writer)
        sending = asyncio.create_task(writer.run(send, stream.done))
        try:
            await self._opened.finished()
            if not self._opened.cut_off:
                await sending
        finally:
            sending.cancel()


class EventStream(Response[None]):
    """What a handler returns: an opened stream, with its media type and headers."""

    def __init__(self, opened: OpenStream) -> None:
        super().__init__(None, media_type=MEDIA_TYPE, headers=HEADERS)
        self._opened = opened

    def to_asgi_response(self, *_args: Any, **_kwargs: Any) -> ASGIResponse:
        return EventStreamResponse(self._opened, headers=HEADERS, media_type=MEDIA_TYPE)
