"""Faults of nats-py 2.16 that `NatsClient` mends: what ended its read loop while it was called connected."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from harness.link import Link
from harness.nats_server import NatsServer
from harness.processes import free_port, until

from penstock_broker.connection import Connection

GREETING = b'INFO {"server_id":"s","max_payload":1048576,"headers":true}\r\n'


@pytest.mark.parametrize("cancelled", [False, True], ids=["flush times out", "caller of flush is cancelled"])
async def test_nats_client_receives_after_the_pong_of_a_flush_came_late(tmp_path: Path, *, cancelled: bool) -> None:
    nats = NatsServer(tmp_path)
    await nats.listening()
    link = await Link.start(nats.port)
    connection = Connection(link.url, "test", inbox_prefix="_INBOX_test")
    received: asyncio.Queue[bytes] = asyncio.Queue()
    connection.listen("subject", lambda _subject, data: received.put_nowait(data))
    ponged = asyncio.Event()
    try:
        await connection.start()
        client = connection.client
        link.silence()
        flush = asyncio.create_task(client.flush(timeout=10 if cancelled else 0.05))
        if cancelled:
            await until(lambda: client._pongs, "the PING is sent")
            flush.cancel()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await flush
        await connection.ping(ponged.set)  # its PONG comes behind the one that nothing waits for
        await link.mend()
        await asyncio.wait_for(ponged.wait(), 5)
        await connection.publish("subject", b"later")
        assert await asyncio.wait_for(received.get(), 5) == b"later"
        assert client.stats["reconnects"] == 0
    finally:
        await connection.close()
        await link.close()
        await nats.process.end()


@pytest.mark.parametrize(
    "nonsense",
    [b"INFO {nope}\r\n", b"INFO []\r\n", b'INFO {"connect_urls":7}\r\n', b"HMSG a 1 x y\r\n"],
)
async def test_nats_client_connects_again_after_bytes_that_it_cannot_parse(nonsense: bytes) -> None:
    connections: asyncio.Queue[int] = asyncio.Queue()
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        number = count
        writer.write(GREETING)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                if line.startswith(b"PING"):
                    writer.write(b"PONG\r\n")
                    connections.put_nowait(number)
                    if number == 1:
                        writer.write(nonsense)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    connection = Connection(
        f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", "test", inbox_prefix="_INBOX_test"
    )
    try:
        await connection.start()
        while await asyncio.wait_for(connections.get(), 5) < 2:
            pass
    finally:
        await connection.close()
        server.close()


async def test_connection_uses_the_one_of_several_brokers_that_answers(tmp_path: Path) -> None:
    nats = NatsServer(tmp_path)
    connection = Connection(f"nats://127.0.0.1:{free_port()}, {nats.url}", "test", inbox_prefix="_INBOX_test")
    try:
        await nats.listening()
        await asyncio.wait_for(connection.start(), 20)
        assert connection.connected
    finally:
        await connection.close()
        await nats.process.end()
