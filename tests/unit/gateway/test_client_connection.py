"""Bytes to a client: one chunk for each write, bounded, counted, and held with the head of the response."""

import asyncio
from typing import Any, cast

import pytest
from unit.support.transports import RecordingTransport
from uvicorn.protocols.http.flow_control import FlowControl

from penstock_gateway.server.client_connection import EXTENSION, ClientConnection, connection_of
from penstock_gateway.server.coalescing_transport import CoalescingTransport
from penstock_gateway.server.write_timeout import WriteTimeout


def connection(bytes_max: int = 100) -> tuple[ClientConnection, RecordingTransport, FlowControl]:
    wire = RecordingTransport()
    flow = FlowControl(wire)
    transport = CoalescingTransport(wire)
    write_timeout = WriteTimeout(cast("asyncio.Transport", transport), asyncio.get_running_loop(), 30)
    made = ClientConnection(transport, flow, write_timeout, chunked=True)
    made.limit(bytes_max)
    return made, wire, flow


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        (b"x", b"1\r\nx\r\n"),
        (b"data: [DONE]\n\n", b"e\r\ndata: [DONE]\n\n\r\n"),
        (b"x" * 255, b"ff\r\n" + b"x" * 255 + b"\r\n"),
        (b"x" * 4096, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    ],
)
async def test_client_connection_writes_one_chunk(data: bytes, chunk: bytes) -> None:
    made, wire, _ = connection()

    assert made.write(data)
    await asyncio.sleep(0)
    assert wire.sent == chunk


async def test_client_connection_writes_the_head_of_a_response_and_the_first_chunk_in_one_call() -> None:
    wire = RecordingTransport()
    transport = CoalescingTransport(wire)
    made = ClientConnection(
        transport, FlowControl(wire), WriteTimeout(wire, asyncio.get_running_loop(), 30), chunked=True
    )
    made.limit(100)
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert made.write(b"x")
    assert wire.writes == []
    await asyncio.sleep(0)

    assert wire.writes == [b"HTTP/1.1 200 OK\r\n\r\n1\r\nx\r\n"]


async def test_coalescing_transport_counts_what_it_holds_as_buffered() -> None:
    wire = RecordingTransport()
    wire.waiting = 5
    transport = CoalescingTransport(wire)
    transport.write(b"abc")
    assert transport.get_write_buffer_size() == 8
    await asyncio.sleep(0)

    assert transport.get_write_buffer_size() == 5


async def test_coalescing_transport_writes_what_it_holds_before_it_closes() -> None:
    wire = RecordingTransport()
    transport = CoalescingTransport(wire)
    transport.write(b"abc")
    transport.close()

    assert wire.closing
    assert wire.sent == b"abc"


@pytest.mark.parametrize("end", ["abort", "closing"])
async def test_coalescing_transport_writes_nothing_after_the_end(end: str) -> None:
    wire = RecordingTransport()
    transport = CoalescingTransport(wire)
    transport.write(b"abc")
    if end == "abort":
        transport.abort()
    else:
        wire.closing = True
    await asyncio.sleep(0)

    assert wire.sent == b""
    assert wire.aborted == (end == "abort")


async def test_client_connection_limits_the_bytes_of_a_slow_client() -> None:
    made, wire, flow = connection(bytes_max=100)
    flow.pause_writing()
    wire.waiting = 100
    assert made.write(b"a")

    await asyncio.sleep(0)
    wire.waiting = 101
    assert not made.write(b"b")
    assert wire.sent == b"1\r\na\r\n"


async def test_client_connection_writes_again_when_the_client_reads() -> None:
    made, wire, flow = connection(bytes_max=100)
    flow.pause_writing()
    wire.waiting = 101
    flow.resume_writing()

    assert made.write(b"a")


async def test_client_connection_ignores_writes_after_the_clients_end() -> None:
    made, wire, _ = connection()
    wire.closing = True

    assert made.write(b"a")
    assert wire.sent == b""


async def test_client_connection_abort_cuts_the_connection() -> None:
    made, wire, _ = connection()
    made.abort()

    assert wire.aborted


async def test_client_connection_counts_the_bytes_that_the_client_has_taken() -> None:
    made, wire, _ = connection()
    assert made.taken is None

    made.write(b"x" * 40)
    await asyncio.sleep(0)
    wire.waiting = 30
    assert made.taken == len(b"28\r\n") + 40 + len(b"\r\n") - 30


async def test_client_connection_counts_no_bytes_as_taken_that_are_not_written_yet() -> None:
    wire = RecordingTransport()
    transport = CoalescingTransport(wire)
    write_timeout = WriteTimeout(cast("asyncio.Transport", transport), asyncio.get_running_loop(), 30)
    made = ClientConnection(transport, FlowControl(wire), write_timeout, chunked=True)
    made.limit(100)
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    made.write(b"x" * 40)
    taken = made.taken
    await asyncio.sleep(0)
    wire.waiting = len(wire.sent)  # the client reads nothing

    assert made.taken == taken


async def test_client_connection_notices_a_lost_client_in_the_call_that_writes() -> None:
    made, wire, _ = connection()
    made.write(b"x")

    assert wire.sent == b"1\r\nx\r\n"


async def test_client_connection_is_found_in_the_scope_of_its_server() -> None:
    made, _, _ = connection()

    def found(extensions: dict[str, Any] | None) -> ClientConnection | None:
        return connection_of({"extensions": extensions})  # type: ignore[arg-type]

    assert found({EXTENSION: made}) is made
    assert found({}) is None
    assert found(None) is None
    assert found({EXTENSION: object()}) is None
