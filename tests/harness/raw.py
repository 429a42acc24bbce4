"""A client that sends any bytes and reads the response, for requests that no HTTP library would send."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httptools
import httpx


class RawConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def answer(self, timeout_s: float = 10) -> httpx.Response:
        """The next whole response."""
        received = _Received()
        parser = httptools.HttpResponseParser(received)
        async with asyncio.timeout(timeout_s):
            while not received.whole:
                data = await self._reader.read(1)
                assert data, "the connection was closed without an answer"
                parser.feed_data(data)
        request = httpx.Request("POST", "http://raw/")
        return httpx.Response(
            parser.get_status_code(), headers=received.headers, content=received.body, request=request
        )

    async def rest(self, timeout_s: float = 10) -> bytes:
        """The bytes until the other side closes."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(timeout_s):
                return await self._reader.read()
        return b""

    async def closed(self, timeout_s: float = 10) -> bool:
        """True if the other side closes without a further byte."""
        return await self.rest(timeout_s) == b""

    def end(self) -> None:
        """Close the sending side only."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


class _Received:
    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole = True


@contextlib.asynccontextmanager
async def raw(port: int) -> AsyncIterator[RawConnection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection = RawConnection(reader, writer)
    try:
        yield connection
    finally:
        connection.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def small_buffer(port: int, request: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """Send `request` over a connection with a small receive buffer: an answer that is not read fills it soon."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    writer.write(request)
    try:
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
