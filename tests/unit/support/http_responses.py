"""Responses of a provider's server, and the error that a call of it raises."""

import asyncio

from unit.support.upstream import Connection, Script, start_call, upstream

from penstock_contract.errors import PenstockError
from penstock_worker.upstream.connection import UpstreamConnection
from penstock_worker.upstream.pool import ConnectionPool

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sized(data: bytes, head: bytes = OK) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(data), data)


def answers(*responses: bytes) -> Script:
    """Sends one response per request, then waits until the client closes."""

    async def script(connection: Connection) -> None:
        for response in responses:
            await connection.request()
            await connection.send(response)
        await connection.peer_closed()

    return script


def answers_and_closes(response: bytes) -> Script:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(response)
        connection.close()

    return script


async def failure_of(response: bytes, *, closes: bool = True) -> PenstockError:
    async with upstream(answers_and_closes(response) if closes else answers(response)) as server:
        listener, _ = await start_call(server.pool)
        return await listener.failure()


class Wire(asyncio.Transport):
    """A transport without a peer."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def connected(pool: ConnectionPool) -> tuple[UpstreamConnection, Wire]:
    exchange, wire = UpstreamConnection(pool), Wire()
    exchange.connection_made(wire)
    return exchange, wire
