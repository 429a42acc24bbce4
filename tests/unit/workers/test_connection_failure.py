"""Failed connections: a constant reason for the log, a sentence without an address for the client."""

import asyncio
import errno
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from unit.support.loops import on_every_loop
from unit.support.upstream import LOOPBACK

from penstock_contract.errors import PenstockError
from penstock_worker.providers.failure.provider_failure import ProviderFailure
from penstock_worker.upstream.connection_failure import REASONS, connection_failure
from penstock_worker.upstream.pool import ConnectionPool


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed: for '10.0.0.7' of secret.internal")
    error.verify_code = code
    return error


FAILURES: dict[str, tuple[BaseException, str]] = {
    "another name": (certificate(62), "tls_name"),
    "another address": (certificate(64), "tls_name"),
    "expired": (certificate(10), "tls_expired"),
    "self-signed": (certificate(18), "tls_authority"),
    "unknown authority": (certificate(20), "tls_authority"),
    "another fault of the certificate": (certificate(26), "tls_certificate"),
    "no TLS at all": (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] secret.internal"), "tls_handshake"),
    "closed in the handshake": (
        ConnectionAbortedError("SSL handshake is taking longer than 60.0 seconds"),
        "tls_handshake",
    ),
    "no such name": (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns_not_found"),
    "no resolver": (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "dns_unavailable"),
    "refused": (ConnectionRefusedError(errno.ECONNREFUSED, "connect to ('10.0.0.7', 443)"), "refused ECONNREFUSED"),
    "no way": (OSError(errno.EHOSTUNREACH, "connect to 10.0.0.7"), "unreachable EHOSTUNREACH"),
    "too late": (TimeoutError(), "timeout"),
    "too late for the system": (TimeoutError(errno.ETIMEDOUT, "10.0.0.7"), "timeout ETIMEDOUT"),
    "reset": (ConnectionResetError(errno.ECONNRESET, "10.0.0.7"), "reset ECONNRESET"),
    "no descriptors": (OSError(errno.EMFILE, "too many"), "local EMFILE"),
    "of several addresses": (OSError(errno.ECONNREFUSED, "Multiple exceptions: 10.0.0.7"), "refused ECONNREFUSED"),
    "an unknown cause": (OSError("Multiple exceptions: 10.0.0.7, 10.0.0.8"), "other"),
}


@pytest.mark.parametrize(("error", "reason"), FAILURES.values(), ids=FAILURES)
def test_connection_failure_has_a_reason_and_no_address(error: BaseException, reason: str) -> None:
    failed = connection_failure(error)

    assert (failed.code, failed.reason) == ("provider_unavailable", reason)
    assert failed.detail.message == f"the provider cannot be reached: {REASONS[reason.split(maxsplit=1)[0]]}"
    assert "10.0.0" not in failed.detail.message
    assert "secret" not in failed.detail.message


def test_connection_failure_finds_the_cause_behind_the_error() -> None:
    outer = OSError("uvloop's words")
    outer.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "10.0.0.7")

    assert connection_failure(outer).reason == "refused ECONNREFUSED"


async def test_connection_failure_of_asyncios_timeout_is_a_timeout() -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert connection_failure(caught.value).reason == "timeout"


@pytest.fixture(scope="module")
def certificate_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of another name than the one that is connected to, and its key."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = [shutil.which("openssl") or "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=other.example", "-addext", "subjectAltName=DNS:other.example"]
    key = path.with_suffix(".key")
    subprocess.run([*command, *names, "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


async def failure_at(port: int, tls: ssl.SSLContext | None) -> ProviderFailure:
    scheme = "https" if tls else "http"
    pool = ConnectionPool(f"{scheme}://localhost:{port}/v1", lambda: tls or ssl.create_default_context(), LOOPBACK)
    with pytest.raises(PenstockError) as caught:
        await pool.acquire(5)
    assert isinstance(caught.value, ProviderFailure)
    assert str(port) not in caught.value.detail.message
    return caught.value


async def a_server(tls: ssl.SSLContext | None) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)


def server_context(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@on_every_loop
async def test_connection_failure_names_an_unknown_authority(certificate_file: Path) -> None:
    server = await a_server(server_context(certificate_file))
    try:
        failed = await failure_at(server.sockets[0].getsockname()[1], ssl.create_default_context())
    finally:
        server.close()

    assert failed.reason == "tls_authority"
    assert failed.detail.message.endswith("its TLS certificate is not from a known authority")


@on_every_loop
async def test_connection_failure_names_a_certificate_of_another_name(certificate_file: Path) -> None:
    server = await a_server(server_context(certificate_file))
    try:
        trusting = ssl.create_default_context(cafile=str(certificate_file))
        failed = await failure_at(server.sockets[0].getsockname()[1], trusting)
    finally:
        server.close()

    assert failed.reason == "tls_name"


@on_every_loop
async def test_connection_failure_names_a_server_without_tls() -> None:
    server = await a_server(None)
    try:
        failed = await failure_at(server.sockets[0].getsockname()[1], ssl.create_default_context())
    finally:
        server.close()

    assert (failed.reason or "").split()[0] in {"tls_handshake", "reset"}


@on_every_loop
async def test_connection_failure_names_a_refused_connection() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        failed = await failure_at(bound.getsockname()[1], None)

    assert failed.reason == "refused ECONNREFUSED"
