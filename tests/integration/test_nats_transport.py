"""`NatsClient` over a real nats-server: TLS, large messages, a reader that stops, order, lost connections."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from harness.link import Link
from harness.nats_server import NatsServer
from harness.processes import until
from structlog.testing import capture_logs

from penstock_broker.client.nats_client import UNSENT_BYTES_MAX
from penstock_broker.connection import Connection
from penstock_contract.errors import PenstockError

SUBJECT = "penstock.test"
MESSAGE_BYTES = 7 * 1024 * 1024


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path)
    await server.listening()
    yield server
    await server.process.end()


def made(url: str, received: list[bytes]) -> Connection:
    connection = Connection(url, "test", inbox_prefix="_INBOX_test")
    connection.listen(SUBJECT, lambda _subject, data: received.append(data))
    connection.serve(f"{SUBJECT}.echo", lambda data: data)
    return connection


async def exchange(connection: Connection, received: list[bytes]) -> None:
    """Messages of all sizes in order, and replies, one of them as large as the server takes."""
    sent = [bytes([size % 251]) * size for size in (0, 1, 100, 70_000, 1_000_000, MESSAGE_BYTES)]
    for data in sent:
        await connection.publish(SUBJECT, data)
    await until(lambda: len(received) == len(sent), "all messages arrive")
    assert received == sent
    replies = await asyncio.gather(
        *(
            connection.request(f"{SUBJECT}.echo", data, timeout_s=10)
            for data in [*sent, *(b"%d" % n for n in range(100))]
        )
    )
    assert [reply.data for reply in replies] == [*sent, *(b"%d" % n for n in range(100))]


async def test_nats_client_exchanges_messages_of_all_sizes(nats: NatsServer) -> None:
    received: list[bytes] = []
    connection = made(nats.url, received)
    await connection.start()
    try:
        await exchange(connection, received)
    finally:
        await connection.close()


async def test_nats_client_exchanges_messages_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([openssl, "req", "-x509", *options, *names, *files], check=True, capture_output=True)  # noqa: ASYNC221
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = NatsServer(tmp_path, tls=f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\n')
    await server.listening()
    received: list[bytes] = []
    connection = made(server.url.replace("nats://", "tls://"), received)
    try:
        await connection.start()
        await exchange(connection, received)
        received.clear()
        server.kill()
        await until(lambda: not connection.connected, "the connection is lost")
        server.start()
        await until(lambda: connection.connected, "the connection is made again")
        await exchange(connection, received)
    finally:
        await connection.close()
        await server.process.end()


async def test_nats_client_raises_an_error_for_a_request_without_a_subscriber(nats: NatsServer) -> None:
    connection = made(nats.url, [])
    await connection.start()
    try:
        assert await connection.has_no_subscriber("penstock.nothing", b"", timeout_s=5)
        assert not await connection.has_no_subscriber(f"{SUBJECT}.echo", b"", timeout_s=5)
        assert await connection.request_one("penstock.nothing", b"", timeout_s=5) is None
        with pytest.raises(PenstockError, match="does not answer"):
            await connection.request("penstock.nothing", b"", timeout_s=5)
        assert connection.client._replies == {}
    finally:
        await connection.close()


async def test_nats_client_fails_requests_of_a_lost_connection_and_serves_later_ones(nats: NatsServer) -> None:
    link = await Link.start(nats.port)
    received: list[bytes] = []
    connection = made(link.url, received)
    await connection.start()
    try:
        link.silence()
        waiting = [asyncio.create_task(connection.request(f"{SUBJECT}.echo", b"", timeout_s=0.5)) for _ in range(20)]
        for request in waiting:
            with pytest.raises(PenstockError):
                await request
        link.cut()
        await until(lambda: not connection.connected, "the connection is lost")
        await connection.publish(SUBJECT, b"dropped")
        await link.mend()
        await until(lambda: connection.connected, "the connection is made again")
        await exchange(connection, received)
        assert connection.client._replies == {}
    finally:
        await connection.close()
        await link.close()


async def test_nats_client_bounds_what_a_broker_that_reads_nothing_has_not_taken(
    nats: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    link = await Link.start(nats.port)
    connection = made(link.url, [])
    await connection.start()
    transport = connection.client._transport
    publishing: asyncio.Task[None] | None = None
    try:
        link.silence()

        async def publish() -> None:
            for _ in range(100):
                await connection.publish("penstock.bulk", b"x" * 1024 * 1024)

        publishing = asyncio.create_task(publish())
        await until(lambda: transport.unsent_bytes > UNSENT_BYTES_MAX, "the bound is reached")  # type: ignore[union-attr]
        for _ in range(1000):
            await asyncio.sleep(0)
        assert transport.unsent_bytes <= UNSENT_BYTES_MAX + 2 * 1024 * 1024  # type: ignore[union-attr]
        assert not publishing.done()
        await link.mend()
        await publishing
        assert "publish_dropped" not in capsys.readouterr().out
    finally:
        if publishing is not None:
            publishing.cancel()
        await connection.close()
        await link.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nats://127.0.0.1:1", "Connect call failed ('127.0.0.1', 1)"),
        ("nats://no-such-broker.invalid:4222", "not known"),
        ("nats://127.0.0.1:1,nats://127.0.0.1:2", "Connect call failed ('127.0.0.1', 2)"),
    ],
    ids=["refused", "unknown name", "the second of two"],
)
async def test_connection_logs_the_reason_of_a_failed_attempt(url: str, reason: str) -> None:
    with capture_logs() as entries:
        connection = made(url, [])
        await connection.start(wait=False)
        await until(lambda: any(reason in str(entry.get("detail")) for entry in entries), "the reason is logged")
        await connection.close()
