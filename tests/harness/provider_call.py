"""One call of a worker at the scripted provider: its request, and how its answer is written byte by byte."""

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

TCP_ESTABLISHED = 1
"""The first byte of Linux's `TCP_INFO`; CLOSE_WAIT and CLOSE are others."""
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests", 500: "Server Error"}


class Call:
    """One request as the provider received it, and the writer of its answer."""

    def __init__(
        self,
        transport: asyncio.Transport,
        connection_number: int,
        method: str,
        path: str,
        headers: dict[str, str],
        raw_body: bytes,
    ) -> None:
        self._transport = transport
        self.connection_number = connection_number
        self._chunked = False
        self.method = method
        self.path = path
        self.headers = headers
        self.raw_body = raw_body
        self.at = time.monotonic()
        self.finished = False
        """True when the complete answer is written."""
        self.gone = asyncio.Event()
        self.gone_at = 0.0

    @property
    def body(self) -> Any:
        return json.loads(self.raw_body)

    @property
    def peer_closed(self) -> bool:
        """True if the client has closed, by the kernel's state: `gone` is set only when this event loop reads it."""
        if self.gone.is_set() or self._transport.is_closing():
            return True
        connection = self._transport.get_extra_info("socket")
        return bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != TCP_ESTABLISHED)

    async def head(
        self, status_: int = 200, headers: Mapping[str, str] | None = None, *, length: int | None = None
    ) -> None:
        """Status line and headers; chunked unless `length` is given. -1 means: until the connection closes."""
        merged = {"content-type": "text/event-stream", **(headers or {})}
        if length is None:
            self._chunked = True
            merged["transfer-encoding"] = "chunked"
        elif length >= 0:
            merged["content-length"] = str(length)
        lines = [f"HTTP/1.1 {status_} {REASONS.get(status_, 'Status')}", *(f"{k}: {v}" for k, v in merged.items())]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def write(self, data: bytes) -> None:
        """Bytes of the body."""
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def raw(self, data: bytes) -> None:
        """Bytes on the connection, without framing."""
        if not self.gone.is_set():
            self._transport.write(data)

    async def end(self) -> None:
        """The regular end of a chunked body."""
        if self._chunked:
            await self.raw(b"0\r\n\r\n")
        self.finished = True

    def close(self) -> None:
        """FIN after what was written."""
        self.finished = True
        self._transport.close()

    def cut(self) -> None:
        """RST at once."""
        self.finished = True
        self._transport.abort()

    async def left(self, timeout_s: float = 5.0) -> float:
        """Wait until the client has closed the connection; returns the time."""
        async with asyncio.timeout(timeout_s):
            await self.gone.wait()
        return self.gone_at


Answer = Callable[[Call], Awaitable[None]]
