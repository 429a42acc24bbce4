"""A minimal provider: a loopback server whose connections follow a script, a parser, and a recording listener."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Self

from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import Event, TextDelta
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.connection import UpstreamConnection
from penstock_worker.upstream.pool import ConnectionPool

LOOPBACK = AddressRules.parse("127.0.0.0/8")


def no_tls() -> ssl.SSLContext:
    """A context without authorities, for connections without TLS."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Connection:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """The next whole request."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return head + await self._reader.readexactly(length)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def head(self) -> bytes:
        """Only the head of the next request."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def peer_closed(self) -> bytes:
        """Wait until the client has closed; returns the bytes before that."""
        with contextlib.suppress(ConnectionError):
            return await self._reader.read()
        return b""

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        self._writer.transport.abort()


Script = Callable[[Connection], Awaitable[None]]


class Upstream:
    """Each of `scripts` serves one connection, in order; `connections` counts them."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.connections = 0
        self.finished: list[asyncio.Task[None]] = []


@contextlib.asynccontextmanager
async def upstream(*scripts: Script) -> AsyncIterator[Upstream]:
    """A pool of connections to a server that follows `scripts`. Every script must have come to its end."""
    served: Upstream

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = served.connections
        served.connections += 1
        await scripts[number](Connection(reader, writer))
        writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.finished.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    served = Upstream(ConnectionPool(f"http://127.0.0.1:{port}/v1", no_tls, LOOPBACK))
    try:
        yield served
        served.pool.close()
        await asyncio.gather(*served.finished)
    finally:
        server.close()


class TextParser:
    """A parser that makes a text delta of each piece of the body; the body may end after `last`."""

    def __init__(self, *, last: bytes | None = None, bad: bytes | None = None) -> None:
        self._last = last
        self._bad = bad
        self.complete = False
        self.progress = 0

    def feed(self, data: bytes) -> Sequence[Event]:
        if data == self._bad:
            raise PenstockError("provider_rate_limited", "slow down")
        self.complete = self.complete or data == self._last
        return [TextDelta(data.decode())]

    def piece_of_chunk(self, data: bytes) -> Event | None:
        del data
        return None

    def end(self) -> Sequence[Event]:
        if self._last is not None and not self.complete:
            raise PenstockError("provider_stream_broken", "too early")
        return ()


class RecordingListener:
    """Keeps the text of a call; `over` is done at its single end."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.error: PenstockError | None = None
        self.refused = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = asyncio.Event()

    def on_events(self, events: Sequence[Event]) -> None:
        assert not self.over.done()
        self.words += [event.text for event in events if isinstance(event, TextDelta)]
        self._received.set()

    def on_end(self) -> None:
        self.over.set_result(None)

    def on_failure(self, error: PenstockError, *, refused: bool = False) -> None:
        self.error, self.refused = error, refused
        self.over.set_result(None)

    async def received(self, words: str) -> Self:
        """Wait until exactly this text was received."""
        while "".join(self.words) != words:
            self._received.clear()
            await self._received.wait()
        return self

    async def whole(self) -> str:
        """The whole text of an answer that must end without an error."""
        await self.over
        assert self.error is None, self.error
        return "".join(self.words)

    async def failure(self) -> PenstockError:
        await self.over
        assert self.error is not None
        return self.error


REQUEST = HttpRequest("/chat/completions", {}, b'{"a":1}')


async def start_call(
    pool: ConnectionPool, parser: TextParser | None = None, request: HttpRequest = REQUEST
) -> tuple[RecordingListener, UpstreamConnection]:
    listener = RecordingListener()
    exchange, reused = await pool.acquire(5)
    exchange.start(pool.raw(request, {}), parser or TextParser(), listener, reused=reused)
    return listener, exchange
