"""An answer as server-sent events: Litestar sends the start, then the stream writes to the connection itself.

Where the server does not hand over its connection (another ASGI server, tests in process) or HTTP/1.0 knows no chunks,
the same bytes go through ASGI sends.

A stream is closed at its answer's end, and not when its client has read that: a client that reads late or never holds
its connection, for as long as the write timeout lets it, but no place, no usage row and no shutdown.
"""

import asyncio
import contextlib
from typing import Any

from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseBodyEvent, Receive, Scope, Send

from penstock_gateway.server.client_connection import ClientConnection, connection_of
from penstock_gateway.server.write_timeout import Room
from penstock_gateway.streaming.dispatcher import OpenStream, until_client_gone

HEADERS = {
    # no-transform and x-accel-buffering: proxies must neither compress nor collect a stream (wire.md §1.5).
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}
MEDIA_TYPE = "text/event-stream"
END: HTTPResponseBodyEvent = {"type": "http.response.body", "body": b"", "more_body": False}
SEND_BYTES = 64 * 1024
"""Of one ASGI send: a slow client is seen to read when a send returns."""


class AsgiWriter:
    """The plain way: bytes wait here until `run` has sent them."""

    def __init__(self, bytes_max: int) -> None:
        self._room = Room(bytes_max)
        self._waiting = bytearray()
        self._changed = asyncio.Event()
        self._written = self._sent = 0

    def write(self, data: bytes) -> bool:
        if not self._room.admits(len(self._waiting), len(data)):
            return False
        self._waiting += data
        self._written += len(data)
        self._changed.set()
        return True

    @property
    def taken(self) -> int | None:
        return self._sent if self._sent < self._written else None

    async def run(self, send: Send, opened: OpenStream) -> None:
        """Send until the answer's end and everything before it is sent, then the end; or until the client has gone.

        An answer that is cut off gets no end: its client would take it for the whole.
        """
        done = opened.stream.done
        done.add_done_callback(lambda _: self._changed.set())
        with contextlib.suppress(OSError):
            while (self._waiting or not done.done()) and not opened.cut_off:
                self._changed.clear()
                if self._waiting:
                    data = bytes(self._waiting[:SEND_BYTES])
                    del self._waiting[:SEND_BYTES]
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                    self._sent += len(data)
                else:
                    await self._changed.wait()
            if not opened.cut_off:
                await send(END)

    async def finish(self, running: asyncio.Task[None], timeout_s: float) -> None:
        """Wait for `run`, as long as its client takes something every `timeout_s`."""
        sent = -1
        while not running.done() and self._sent > sent:
            sent = self._sent
            await asyncio.wait([running], timeout=timeout_s)


class EventStreamResponse(ASGIResponse):
    def __init__(self, opened: OpenStream, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._opened = opened

    _should_set_content_length = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        if connection is None or not connection.chunked:
            await self._send_plainly(connection, receive, send)
            return
        opened = self._opened
        try:
            await self.start_response(send)
            opened.write_to(connection)
            await opened.finished()
        finally:
            await opened.close()
        if opened.cut_off:
            await _cut(connection, receive)
        else:
            connection.finish()
            with contextlib.suppress(OSError):
                await send(END)

    async def _send_plainly(self, connection: ClientConnection | None, receive: Receive, send: Send) -> None:
        opened = self._opened
        writer = AsgiWriter(opened.client_buffer_bytes_max)
        sending: asyncio.Task[None] | None = None
        try:
            try:
                await self.start_response(send)
                opened.stream.attach(writer)
                sending = asyncio.create_task(writer.run(send, opened))
                await opened.finished()
            finally:
                await opened.close()
            if connection is None:
                # To return before the end is all that ASGI lets us do: the server closes what is not complete.
                if not opened.cut_off:
                    await writer.finish(sending, opened.write_timeout_s)
            elif opened.cut_off:
                await _cut(connection, receive)
            else:
                connection.finish()
                await asyncio.wait([sending])
        finally:
            if sending is not None:
                sending.cancel()


async def _cut(connection: ClientConnection, receive: Receive) -> None:
    connection.abort()
    # The server has heard of it then, and does not take an answer without an end for our error.
    await until_client_gone(receive)


class EventStream(Response[None]):
    """What a handler returns: an opened stream, with its media type and headers."""

    def __init__(self, opened: OpenStream) -> None:
        super().__init__(None, media_type=MEDIA_TYPE, headers=HEADERS)
        self._opened = opened

    def to_asgi_response(self, *_args: Any, **_kwargs: Any) -> ASGIResponse:
        return EventStreamResponse(self._opened, headers=HEADERS, media_type=MEDIA_TYPE)
