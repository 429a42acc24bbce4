"""An answer as server-sent events: Litestar sends the start, then the stream writes to the connection itself.

Where the server provides no connection (another ASGI server, tests in process), and in HTTP/1.0, which has no chunks,
the same bytes are sent through ASGI.

A stream is closed at its answer's end, not when its client has read it: a client that reads late, or never, holds its
connection until the write timeout, but no slot, no usage record and no shutdown.
"""

import asyncio
import contextlib
from typing import Any, Protocol

from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.types import HTTPResponseBodyEvent, Receive, Scope, Send

from penstock_gateway.server.client_connection import ClientConnection, connection_of
from penstock_gateway.server.write_timeout import BufferLimit
from penstock_gateway.settings import GatewaySettings
from penstock_gateway.streaming.open_stream import OpenStream, wait_for_disconnect

HEADERS = {
    # no-transform and x-accel-buffering: proxies must neither compress nor buffer a stream.
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}
MEDIA_TYPE = "text/event-stream"
END: HTTPResponseBodyEvent = {"type": "http.response.body", "body": b"", "more_body": False}
SEND_BYTES = 64 * 1024
"""The size of one ASGI send: the return of a send shows that a slow client reads."""


class StreamCloser(Protocol):
    """The dispatcher, or a part that opened a stream in its place."""

    @property
    def settings(self) -> GatewaySettings: ...

    def close(self, opened: OpenStream) -> None: ...


class AsgiWriter:
    """A writer without a connection: bytes wait here until `run` has sent them."""

    def __init__(self, bytes_max: int) -> None:
        self._limit = BufferLimit(bytes_max)
        self._waiting = bytearray()
        self._changed = asyncio.Event()
        self._written = self._sent = 0

    def write(self, data: bytes) -> bool:
        if not self._limit.admits(len(self._waiting), len(data)):
            return False
        self._waiting += data
        self._written += len(data)
        self._changed.set()
        return True

    @property
    def taken(self) -> int | None:
        return self._sent if self._sent < self._written else None

    async def run(self, send: Send, opened: OpenStream) -> None:
        """Send everything up to the answer's end, and the end; stop if the client has gone.

        An answer that is cut off gets no end: its client would take it for the whole.
        """
        done = opened.stream.done
        done.add_done_callback(self._on_done)
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
        """Wait for `run` while its client takes something every `timeout_s`."""
        sent = -1
        while not running.done() and self._sent > sent:
            sent = self._sent
            await asyncio.wait([running], timeout=timeout_s)

    def _on_done(self, _done: asyncio.Future[None]) -> None:
        self._changed.set()


class EventStreamResponse(ASGIResponse):
    def __init__(self, dispatcher: StreamCloser, opened: OpenStream, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._dispatcher = dispatcher
        self._opened = opened
        self._bytes_max = dispatcher.settings.client_buffer_bytes_max

    _should_set_content_length = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = connection_of(scope)
        if connection is None or not connection.chunked:
            await self._send_through_asgi(connection, receive, send)
            return
        opened = self._opened
        try:
            await self.start_response(send)
            opened.write_to(connection, self._bytes_max)
            await opened.finished()
        finally:
            self._dispatcher.close(opened)
        if opened.cut_off:
            await _cut(connection, receive)
        else:
            connection.finish()
            with contextlib.suppress(OSError):
                await send(END)

    async def _send_through_asgi(self, connection: ClientConnection | None, receive: Receive, send: Send) -> None:
        opened = self._opened
        writer = AsgiWriter(self._bytes_max)
        sending: asyncio.Task[None] | None = None
        try:
            try:
                await self.start_response(send)
                opened.stream.attach(writer)
                sending = asyncio.create_task(writer.run(send, opened))
                await opened.finished()
            finally:
                self._dispatcher.close(opened)
            if connection is None:
                # ASGI can only return before the end: the server closes a response that is not complete.
                if not opened.cut_off:
                    await writer.finish(sending, self._dispatcher.settings.write_timeout_s)
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
    # After the disconnect the server does not report a response without an end as an error.
    await wait_for_disconnect(receive)


class EventStream(Response[None]):
    """A handler's return value: an open stream, with its media type and headers."""

    def __init__(self, dispatcher: StreamCloser, opened: OpenStream) -> None:
        super().__init__(None, media_type=MEDIA_TYPE, headers=HEADERS)
        self._dispatcher = dispatcher
        self._opened = opened

    def to_asgi_response(self, *_args: Any, **_kwargs: Any) -> ASGIResponse:
        return EventStreamResponse(self._dispatcher, self._opened, headers=HEADERS, media_type=MEDIA_TYPE)
