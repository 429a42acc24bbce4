"""A TCP link that a test can cut and repair: between one process and, for example, the broker or the API server.

link = await Link.start(stack.nats.port)
... PENSTOCK_NATS_URL=link.url ...
link.cut()            # connections are reset, new ones are refused
link.silence()        # connections stay and new ones are taken, but nothing comes through
await link.mend()     # new ones go through again, and what was held back in a silence arrives
"""

import asyncio
from typing import Self

from harness.processes import until


class Link:
    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._transports: set[asyncio.Transport] = set()
        self._stranded: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._silent = False
        self.port = 0

    @classmethod
    async def start(cls, target_port: int) -> Self:
        link = cls(target_port)
        await link.mend()
        return link

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self._silent = False
        for transport in list(self._transports):
            transport.abort()

    def silence(self) -> None:
        """As a network that drops packets: neither side gets an error, nor the other's close."""
        self._silent = True
        for transport in self._transports:
            transport.pause_reading()

    def strand(self) -> None:
        """The connections that there are go silent for good, as behind a balancer that lost them; new ones work."""
        for transport in self._transports - self._stranded:
            transport.pause_reading()
        self._stranded = set(self._transports)

    async def mend(self) -> None:
        self._silent = False
        self._stranded &= self._transports
        for transport in self._transports - self._stranded:
            transport.resume_reading()
        if self._server is not None and self._server.is_serving():
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _End(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.cut()
        await until(lambda: not self._transports and not self._tasks, "the link is closed")

    def opened(self, end: "_End", transport: asyncio.Transport) -> None:
        self._transports.add(transport)
        if self._silent:
            transport.pause_reading()
        if end.peer is None:
            task = asyncio.create_task(self._connect(end))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def closed(self, transport: asyncio.Transport) -> None:
        self._transports.discard(transport)

    async def _connect(self, near: "_End") -> None:
        far = _End(self)
        far.peer = near
        try:
            await asyncio.get_running_loop().create_connection(lambda: far, "127.0.0.1", self._target_port)
        except OSError:
            near.transport.abort()
            return
        near.peer = far
        if near.transport.is_closing():
            far.transport.abort()
            return
        far.transport.write(near.take_waiting())


class _End(asyncio.Protocol):
    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting = b""
        self.peer: _End | None = None
        self.transport: asyncio.Transport

    def take_waiting(self) -> bytes:
        waiting, self._waiting = self._waiting, b""
        return waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._link.opened(self, transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._waiting += data
        else:
            self.peer.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._link.closed(self.transport)
        if self.peer is not None:
            self.peer.transport.close()
