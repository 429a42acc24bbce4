"""The transport below nats-py: the same messages, however the server's bytes are split."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.support.transports import RecordingTransport

from penstock_broker.client.socket_transport import (
    UNREAD_BYTES_MAX,
    SocketTransport,
    message_headers,
    publish_command,
)

Message = tuple[str, str, bytes, bytes]

SUBJECTS = st.sampled_from(["a", "penstock.v1.reply.x", "$JS.ACK.Q.workers.1.2.3.4.5"])
PAYLOADS = st.binary(max_size=60) | st.sampled_from([b"\r\n", b"MSG a 1 5\r\nhello\r\n", b"PING\r\n", b""])
HEADERS = st.just(b"") | st.sampled_from([b"NATS/1.0 503\r\n\r\n", b"NATS/1.0\r\nA: b\r\n\r\n"])
MESSAGES = st.tuples(SUBJECTS, st.sampled_from(["", "reply.to"]), HEADERS, PAYLOADS)
FOR_NATS_PY = st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b'INFO {"a":1}\r\n', b"MSG a 2 3\r\nabc\r\n"])


def wire(message: Message, sid: int) -> bytes:
    subject, reply, headers, payload = message
    words = [subject, str(sid), *([reply] if reply else [])]
    if headers:
        words += [str(len(headers)), str(len(headers) + len(payload))]
        return f"HMSG {' '.join(words)}\r\n".encode() + headers + payload + b"\r\n"
    return f"MSG {' '.join([*words, str(len(payload))])}\r\n".encode() + payload + b"\r\n"


async def connected(receivers: dict[bytes, object]) -> tuple[SocketTransport, RecordingTransport]:
    transport, socket = SocketTransport(receivers), RecordingTransport()  # type: ignore[arg-type]
    transport.connection_made(socket)
    transport.data_received(b'INFO {"server_id":"s"}\r\n')
    assert await transport.readline() == b'INFO {"server_id":"s"}\r\n'
    return transport, socket


async def begin_to_deliver(transport: SocketTransport) -> None:
    """nats-py's read loop calls `read`, which is what starts the delivery."""
    transport.data_received(b"+OK\r\n")
    assert await transport.read(1) == b"+OK\r\n"


async def feed(units: Sequence[Message | bytes], cuts: Sequence[int]) -> tuple[list[Message], bytes]:
    """The messages of a receiver of sid 1, and the bytes left for nats-py."""
    received: list[Message] = []
    transport, _ = await connected({b"1": lambda *message: received.append(message)})
    await begin_to_deliver(transport)
    data = b"".join(unit if isinstance(unit, bytes) else wire(unit, 1) for unit in units)
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    start = 0
    for end in ends:
        if end > start:
            transport.data_received(data[start:end])
        start = end
    transport.connection_lost(None)
    return received, await transport.read(1)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(MESSAGES | FOR_NATS_PY, max_size=12),
    st.lists(st.integers(min_value=0, max_value=2000), max_size=12),
)
def test_socket_transport_delivers_the_same_messages_for_every_split(
    units: list[Message | bytes], cuts: list[int]
) -> None:
    received, rest = asyncio.run(feed(units, cuts))

    assert received == [unit for unit in units if not isinstance(unit, bytes)]
    assert rest == b"".join(unit for unit in units if isinstance(unit, bytes))


async def test_socket_transport_delivers_what_arrived_with_the_handshake() -> None:
    received: list[Message] = []
    transport, _ = await connected({b"1": lambda *message: received.append(message)})
    transport.data_received(b"PONG\r\n" + wire(("a", "", b"", b"early"), 1) + b"PING\r\n")
    assert await transport.readline() == b"PONG\r\n"
    assert received == []

    assert await transport.read(1) == b"PING\r\n"
    assert received == [("a", "", b"", b"early")]


@pytest.mark.parametrize(
    "line",
    [
        b"MSG a 1 x\r\n",
        b"MSG a 1 -7\r\n",
        b"MSG\r\n",
        b"MSG a 1 \r\n",
        b"HMSG a 1 9 5\r\n",
        b"HMSG a 1 -1 5\r\n",
        b"HMSG a 1\r\n",
        b"NONSENSE\r\n",
        b"\r\n",
    ],
)
async def test_socket_transport_leaves_a_line_that_it_cannot_read_to_nats_py(line: bytes) -> None:
    received: list[Message] = []
    transport, _ = await connected({b"1": lambda *message: received.append(message)})
    await begin_to_deliver(transport)

    transport.data_received(line + wire(("a", "", b"", b"next"), 1))

    assert (await transport.read(1)).startswith(line)
    assert received in ([], [("a", "", b"", b"next")])


async def test_socket_transport_leaves_an_endless_line_to_nats_py() -> None:
    transport, _ = await connected({})
    await begin_to_deliver(transport)
    for _ in range(5):
        transport.data_received(b"x" * 300_000)

    assert len(await transport.read(1)) == 1_200_000


async def test_socket_transport_pauses_while_nats_py_has_too_much_to_parse() -> None:
    transport, socket = await connected({})
    await begin_to_deliver(transport)
    size = UNREAD_BYTES_MAX // 2
    one = b"MSG a 9 %d\r\n%b\r\n" % (size, b"x" * size)
    transport.data_received(one)
    assert not socket.reading_paused
    transport.data_received(one)
    assert socket.reading_paused

    assert await transport.read(1) == one + one
    assert not socket.reading_paused


async def test_socket_transport_reports_the_end_after_the_last_bytes() -> None:
    transport, _ = await connected({})
    await begin_to_deliver(transport)
    transport.data_received(b"PING\r\n")
    transport.eof_received()

    assert not transport.at_eof()
    assert await transport.read(1) == b"PING\r\n"
    assert transport.at_eof()
    assert await transport.read(1) == b""


async def test_socket_transport_ends_a_handshake_of_a_closed_connection() -> None:
    transport = SocketTransport({})
    transport.connection_made(RecordingTransport())
    transport.data_received(b"INFO {")
    transport.connection_lost(None)

    assert await transport.readline() == b""


async def test_socket_transport_ends_a_wait_for_a_socket_that_was_lost() -> None:
    transport, _ = await connected({})
    transport.pause_writing()
    waiting = asyncio.create_task(transport.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    transport.connection_lost(None)

    with pytest.raises(ConnectionResetError):
        await waiting


async def test_socket_transport_writes_what_is_published_in_one_iteration_in_one_call() -> None:
    transport, socket = await connected({})
    await begin_to_deliver(transport)
    transport.write(b"PUB a 1\r\nx\r\n")
    transport.writelines([b"PING\r\n", b"PONG\r\n"])
    assert socket.writes == []
    await asyncio.sleep(0)

    assert socket.writes == [b"PUB a 1\r\nx\r\nPING\r\nPONG\r\n"]


async def test_socket_transport_writes_the_handshake_at_once() -> None:
    transport, socket = await connected({})
    transport.write(b"CONNECT {}\r\n")

    assert socket.writes == [b"CONNECT {}\r\n"]


@pytest.mark.parametrize("by", ["write_held", "drain", "close"])
async def test_socket_transport_writes_what_it_holds_before(by: str) -> None:
    transport, socket = await connected({})
    await begin_to_deliver(transport)
    transport.write(b"PING\r\n")
    if by == "write_held":
        transport.write_held()
    elif by == "drain":
        await transport.drain()
    else:
        transport.close()

    assert socket.writes == [b"PING\r\n"]
    assert socket.closing == (by == "close")


async def test_socket_transport_counts_what_it_holds_as_unsent() -> None:
    transport, socket = await connected({})
    await begin_to_deliver(transport)
    transport.write(b"PING\r\n")
    assert transport.unsent_bytes == 6
    await asyncio.sleep(0)
    assert transport.unsent_bytes == 0
    transport.pause_writing()
    socket.waiting = 10
    transport.write(b"PING\r\n")

    assert transport.unsent_bytes == 16


async def test_socket_transport_writes_nothing_to_a_lost_connection() -> None:
    transport, socket = await connected({})
    await begin_to_deliver(transport)
    transport.write(b"PING\r\n")
    transport.connection_lost(None)
    await asyncio.sleep(0)

    assert socket.writes == []
    assert transport.unsent_bytes == 0


def test_publish_command_encodes_every_form() -> None:
    assert publish_command("a", b"xyz", "", None) == b"PUB a 3\r\nxyz\r\n"
    assert publish_command("a", b"xyz", "to", {}) == b"PUB a to 3\r\nxyz\r\n"
    assert publish_command("a", b"xyz", "", {"K": "v"}) == b"HPUB a  18 21\r\nNATS/1.0\r\nK: v\r\n\r\nxyz\r\n"
    assert publish_command("a", b"", "to", {"K": "v"}) == b"HPUB a to 18 18\r\nNATS/1.0\r\nK: v\r\n\r\n\r\n"


@pytest.mark.parametrize("headers", [{"K": "v\r\nNats-Rollup: all"}, {"K": "v\n"}, {"K\r": "v"}, {"K": "\r\n"}])
def test_publish_command_rejects_a_header_that_would_end_its_line(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="line break"):
        publish_command("a", b"", "", headers)


@pytest.mark.parametrize(
    ("block", "headers"),
    [
        (b"", {}),
        (b"NATS/1.0\r\nA: b\r\nC:d:e\r\n\r\n", {"A": "b", "C": "d:e"}),
        (b"NATS/1.0 503\r\n\r\n", {"Status": "503", "Description": ""}),
        (
            b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 3\r\n\r\n",
            {"Status": "408", "Description": "Request Timeout", "Nats-Pending-Messages": "3"},
        ),
    ],
)
def test_message_headers_reads_fields_and_status(block: bytes, headers: dict[str, str]) -> None:
    assert message_headers(block) == headers
