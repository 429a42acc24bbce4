"""The socket below nats-py's client: it delivers messages to callbacks itself, and leaves the rest to nats-py.

nats-py 2.16 reads through a StreamReader, a task, five regular expressions, a queue and a task for each subscription,
and writes through a list, a queue and a flusher task. Here a message of a subscription with a callback is parsed and
delivered inside `data_received`, and what is published in one iteration of the event loop is one write to the socket.
Everything else that the server sends (INFO, PING, PONG, -ERR, messages of nats-py's own subscriptions) goes to
nats-py's read loop, byte for byte. Protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, cast
from urllib.parse import ParseResult

from nats.aio.transport import Transport

from penstock_runtime.coalesced_writes import CoalescedWrites

CONTROL_LINE_BYTES_MAX: Final = 1024 * 1024
"""Longer than any line of a server: an INFO with the addresses of a large cluster has some kilobytes."""
UNREAD_BYTES_MAX: Final = 1024 * 1024
"""Reading pauses while nats-py's read loop has more than this to parse."""
CLOSE_S: Final = 1.0

Receive = Callable[[str, str, bytes, bytes], None]
"""Called with subject, reply subject, header block and payload (both empty if absent); must not block nor raise."""

MESSAGES: Final = b"MH"
"""The first bytes of MSG and HMSG; the commands for nats-py begin otherwise."""
HMSG: Final = b"H"[0]


class SocketTransport(Transport, asyncio.Protocol):
    """One connection. `receivers` has the callback of each subscription id that is delivered directly."""

    def __init__(self, receivers: dict[bytes, Receive]) -> None:
        self._receivers = receivers
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._needed = 0
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._reading_paused = False
        self._delivering = False
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()
        self._writes = CoalescedWrites(self._write_now)
        self.descriptor = -1
        """Of the socket; -1 before the connection and after its end."""

    # What nats-py calls.

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:  # noqa: ARG002
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(connect_timeout):
            await loop.create_connection(lambda: self, str(uri.hostname), int(uri.port or 4222))

    async def connect_tls(
        self,
        uri: str | ParseResult,
        ssl_context: ssl.SSLContext,
        buffer_size: int,  # noqa: ARG002
        connect_timeout: int,
    ) -> None:
        assert self._transport is not None
        hostname = uri if isinstance(uri, str) else uri.hostname
        async with asyncio.timeout(connect_timeout):
            self._transport = await asyncio.get_running_loop().start_tls(
                self._transport, self, ssl_context, server_hostname=hostname
            )

    def write(self, payload: bytes) -> None:
        if self._delivering:
            self._writes.write(payload)
        else:
            # The handshake waits for each of its writes, and replaces the transport below for TLS.
            self._write_now(payload)

    def write_held(self) -> None:
        """Write now what waits for the next iteration of the event loop."""
        self._writes.flush()

    def _write_now(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def writelines(self, payload: Iterable[bytes]) -> None:
        self.write(b"".join(payload))

    async def read(self, buffer_size: int) -> bytes:  # noqa: ARG002
        """Bytes that `deliver` has left for nats-py; b"" at the end of the connection."""
        if not self._delivering:
            self._deliver_from_now_on()
        while not self._unread and not self._lost.is_set():
            self._changed.clear()
            await self._changed.wait()
        unread, self._unread, self._unread_bytes = b"".join(self._unread), [], 0
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return unread

    async def readline(self) -> bytes:
        """One line of the handshake; b"" at the end of the connection."""
        while b"\n" not in (held := b"".join(self._chunks)):
            if self._lost.is_set():
                return b""
            self._changed.clear()
            await self._changed.wait()
        line, _, rest = held.partition(b"\n")
        self._chunks, self._held = [rest], len(rest)
        return line + b"\n"

    async def drain(self) -> None:
        self._writes.flush()
        await self._writable.wait()
        if self._lost.is_set():
            raise ConnectionResetError("the connection to the message broker was lost")

    async def wait_closed(self) -> None:
        if self._transport is None:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._lost.wait()
        except TimeoutError:
            # A peer that reads nothing: what is unsent will never be sent.
            self._transport.abort()

    def close(self) -> None:
        self._writes.flush()
        if self._transport is not None:
            self._transport.close()

    def at_eof(self) -> bool:
        return self._lost.is_set() and not self._unread

    def __bool__(self) -> bool:
        return True

    @property
    def unsent_bytes(self) -> int:
        """Bytes held for the next write, and those that wait for the socket if it takes less than what is written."""
        if self._writable.is_set() or self._transport is None:
            return self._writes.size
        return self._writes.size + self._transport.get_write_buffer_size()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's classes do not inherit from asyncio's
        sock = transport.get_extra_info("socket")
        self.descriptor = -1 if sock is None else int(sock.fileno())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.descriptor = -1
        self._writes.discard()
        self._lost.set()
        self._writable.set()
        self._changed.set()

    def eof_received(self) -> bool:
        self._lost.set()
        self._changed.set()
        return False

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._chunks.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return
            data = b"".join(self._chunks)
        if not self._delivering:
            self._chunks, self._held = [data], len(data)
            self._changed.set()
            return
        rest = self._deliver(data)
        self._chunks, self._held = ([rest], len(rest)) if rest else ([], 0)

    def _deliver_from_now_on(self) -> None:
        self._delivering = True
        held, self._chunks, self._held = b"".join(self._chunks), [], 0
        if held:
            self.data_received(held)

    def _deliver(self, data: bytes) -> bytes:
        """Delivers each whole message; returns the unfinished one, and notes how many bytes it needs."""
        at, size, receivers = 0, len(data), self._receivers
        self._needed = 0
        while at < size:
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                if size - at > CONTROL_LINE_BYTES_MAX:
                    self._leave(data[at:])
                    return b""
                break
            end = start = line_end + 2
            kind = data[at]
            if kind in MESSAGES:
                words = data[at:line_end].split(b" ")
                try:
                    body = start + int(words[-2]) if kind == HMSG else start
                    message_end = start + int(words[-1])
                    receive = receivers.get(words[2])
                except (ValueError, IndexError):
                    body = message_end = -1
                if start <= body <= message_end:
                    end = message_end + 2
                    if end > size:
                        self._needed = end - at
                        break
                    if receive is not None:
                        reply = words[3].decode("utf-8", "replace") if len(words) == (6 if kind == HMSG else 5) else ""
                        receive(words[1].decode("utf-8", "replace"), reply, data[start:body], data[body:message_end])
                        at = end
                        continue
                # A line that is no message reaches nats-py, whose parser rejects it; then it connects again.
            self._leave(data[at:end])
            at = end
        return data[at:] if at else data

    def _leave(self, data: bytes) -> None:
        self._unread.append(data)
        self._unread_bytes += len(data)
        self._changed.set()
        if self._unread_bytes > UNREAD_BYTES_MAX and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            with contextlib.suppress(RuntimeError):
                self._transport.pause_reading()


def message_headers(block: bytes) -> dict[str, str]:
    """The fields of a header block; a status in its first line becomes `Status` and `Description`, as in nats-py."""
    if not block:
        return {}
    first, *lines = block.decode("utf-8", "replace").split("\r\n")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            fields[name] = value.strip()
    status, _, description = first.removeprefix("NATS/1.0").strip().partition(" ")
    if status:
        fields["Status"], fields["Description"] = status, description.strip()
    return fields


def publish_command(subject: str, data: bytes, reply: str, headers: dict[str, Any] | None) -> bytes:
    """PUB, or HPUB with headers. Raises ValueError for a header that would end its line."""
    if headers:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
            raise ValueError("a header of a message must not contain a line break")
        block = f"NATS/1.0\r\n{lines}\r\n".encode()
        return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
            subject.encode(),
            reply.encode(),
            len(block),
            len(block) + len(data),
            block,
            data,
        )
    if reply:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(data), data)
    return b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(data), data)
