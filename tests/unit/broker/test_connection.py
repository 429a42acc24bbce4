"""The broker's connection: its behaviour that needs no real broker."""

import asyncio

import pytest
from nats.errors import ConnectionClosedError, Error, MaxPayloadError, OutboundBufferLimitError

from penstock_broker.client.socket_transport import SocketTransport
from penstock_broker.connection import Connection
from penstock_contract.errors import PenstockError


class Client:
    """The publishing part of a `NatsClient`."""

    def __init__(self, error: Error | None = None, *, is_connected: bool = True) -> None:
        self.is_connected = is_connected
        self.published: list[tuple[str, bytes]] = []
        self._error = error

    async def publish_directly(
        self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        assert (reply, headers) == ("", None)
        if self._error is not None:
            raise self._error
        self.published.append((subject, data))


def connection(client: Client) -> Connection:
    made = Connection("nats://127.0.0.1:4222", "test", inbox_prefix="_INBOX_test")
    made._client = client  # type: ignore[assignment]
    return made


def connecting(made: Connection) -> bool:
    transport = made.client._transport
    return isinstance(transport, SocketTransport) and transport._transport is not None


async def test_connection_publishes_a_message() -> None:
    client = Client()
    await connection(client).publish("a", b"x")

    assert client.published == [("a", b"x")]


async def test_connection_drops_a_message_while_the_broker_is_unavailable() -> None:
    client = Client(is_connected=False)
    await connection(client).publish("a", b"x")

    assert client.published == []


@pytest.mark.parametrize("error", [OutboundBufferLimitError, MaxPayloadError, ConnectionClosedError])
async def test_connection_drops_a_message_that_the_nats_client_rejects(
    error: type[Error], capsys: pytest.CaptureFixture[str]
) -> None:
    await connection(Client(error())).publish("a", b"a secret")

    printed = capsys.readouterr().out
    assert "broker.publish_dropped" in printed
    assert "secret" not in printed


async def test_connection_logs_a_repeated_error_once_until_the_reconnect(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = connection(Client())
    for _ in range(50):
        await made._on_error(ConnectionRefusedError("connection refused"))
    await made._on_error(TimeoutError("slow"))
    assert capsys.readouterr().out.count("broker.error") == 2
    await made._on_reconnected()
    await made._on_error(ConnectionRefusedError("connection refused"))
    assert capsys.readouterr().out.count("broker.error") == 1


async def test_connection_raises_a_retryable_error_for_a_request_without_a_broker() -> None:
    with pytest.raises(PenstockError) as error:
        await connection(Client(is_connected=False)).request("a", b"x", timeout_s=1)

    assert error.value.code == "broker_unavailable"
    assert error.value.kind.retryable


async def test_connection_closes_without_a_start() -> None:
    async with asyncio.timeout(1):
        await Connection("nats://127.0.0.1:4222", "test", inbox_prefix="_INBOX_test").close()


async def test_connection_closes_before_its_first_attempt() -> None:
    made = Connection("nats://127.0.0.1:4222", "test", inbox_prefix="_INBOX_test")
    await made.start(wait=False)
    async with asyncio.timeout(1):
        await made.close()


async def test_connection_closes_during_the_attempt_to_connect_to_a_silent_broker() -> None:
    left = asyncio.Event()

    async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_server(stay_silent, "127.0.0.1", 0) as server:
        made = Connection(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", "test", inbox_prefix="_INBOX_test")
        await made.start(wait=False)
        async with asyncio.timeout(2):
            while not connecting(made):  # noqa: ASYNC110
                await asyncio.sleep(0)
            await made.close()
            await left.wait()
