"""Providers behind an HTTP proxy: which one is used, the tunnel, and the failures, on both event loops."""

import asyncio
import base64
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from unit.support.http_responses import sized
from unit.support.loops import on_every_loop
from unit.support.upstream import LOOPBACK, Connection, no_tls, start_call

from penstock_contract.errors import PenstockError
from penstock_worker.providers.failure.provider_failure import ProviderFailure
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.connection_failure import REASONS
from penstock_worker.upstream.egress_proxy import EgressProxy, proxy_of
from penstock_worker.upstream.pool import ConnectionPool
from penstock_worker.upstream.proxy_tunnel import RESPONSE_BYTES_MAX

HTTPS = "https://api.example.com/v1"
PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "environ", "host"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY}, "proxy.example"),
        (HTTPS, {"https_proxy": "lower.example:80", "HTTPS_PROXY": PROXY}, "lower.example"),
        (HTTPS, {"HTTP_PROXY": PROXY}, None),
        ("http://model.team.svc:8080/v1", {"HTTP_PROXY": PROXY}, "proxy.example"),
        ("http://model.team.svc:8080/v1", {"HTTP_PROXY": PROXY, "NO_PROXY": "localhost, .svc,10.0.0.0/8"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.example.com"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "example.com"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "*.example.com"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "ample.com"}, "proxy.example"),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": ".api.example.com"}, "proxy.example"),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.example.com:443"}, None),
        (HTTPS, {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.example.com:8443"}, "proxy.example"),
        ("https://10.1.2.3/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, None),
        ("https://10.1.2.3/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.1.2.3"}, None),
        ("https://11.1.2.3/v1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8,"}, "proxy.example"),
        ("https://[fd00::1]/v1", {"HTTPS_PROXY": PROXY, "no_proxy": "fd00::/8"}, None),
        ("http://127.0.0.1:8080/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://localhost:8080/v1", {"HTTP_PROXY": PROXY}, None),
    ],
)
def test_egress_proxy_follows_the_usual_variables(url: str, environ: dict[str, str], host: str | None) -> None:
    found = proxy_of(url, None, environ)
    assert (found.host if found else None) == host


def test_egress_proxy_of_a_provider_precedes_the_variables() -> None:
    found = proxy_of(HTTPS, "http://own.example", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"})
    assert found == EgressProxy("own.example", 80)


def test_egress_proxy_takes_credentials_from_its_url() -> None:
    found = EgressProxy.parse("http://user%40corp:p%3Ass@proxy.example:3128")
    assert found == EgressProxy("proxy.example", 3128, f"Basic {base64.b64encode(b'user@corp:p:ss').decode()}")


@pytest.mark.parametrize(
    "url", ["https://user:secret@proxy.example", "socks5://proxy.example", "http://", "http://a:b:c"]
)
def test_egress_proxy_of_another_kind_is_refused_without_its_text(url: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is what is tested
        EgressProxy.parse(url)
    assert "secret" not in str(refused.value)


@contextlib.asynccontextmanager
async def proxied(
    response: bytes,
    *,
    url: str = "http://model.internal:8080/v1",
    tls: Callable[[], ssl.SSLContext] = no_tls,
    served: int = 0,
) -> AsyncIterator[tuple[ConnectionPool, list[bytes]]]:
    """A pool behind a proxy that sends `response` to CONNECT, then answers itself, or connects to the port `served`."""
    heads: list[bytes] = []
    tasks: list[asyncio.Task[None]] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        heads.append(await connection.head())
        await connection.send(response)
        if served:
            beyond, to_beyond = await asyncio.open_connection("127.0.0.1", served)
            await asyncio.gather(copy(reader, to_beyond), copy(beyond, writer))
        elif response.startswith(b"HTTP/1.1 200") and response.endswith(b"\r\n\r\n"):
            heads.append(await connection.request())
            await connection.send(sized(b"answered"))
            await connection.peer_closed()
        connection.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = ConnectionPool(url, tls, LOOPBACK, EgressProxy("127.0.0.1", port, "Basic abc"))
    try:
        yield pool, heads
        pool.close()
        await asyncio.gather(*tasks)
    finally:
        server.close()


@on_every_loop
async def test_egress_proxy_tunnel_carries_a_request_to_a_name_that_only_the_proxy_resolves() -> None:
    async with proxied(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n") as (pool, heads):
        listener, _ = await start_call(pool)
        assert await listener.whole() == "answered"
    connect, request = heads
    assert connect == (
        b"CONNECT model.internal:8080 HTTP/1.1\r\nHost: model.internal:8080\r\nProxy-Authorization: Basic abc\r\n\r\n"
    )
    assert request.startswith(b"POST /v1")
    assert b"Proxy-Authorization" not in request


@on_every_loop
@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy_auth"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nblah", "proxy_refused"),
        (b"HTTP/1.1 200 OK\r\n\r\nbytes before the request", "proxy_refused"),
        (b"", "proxy_refused"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * RESPONSE_BYTES_MAX, "proxy_refused"),
    ],
)
async def test_egress_proxy_refusal_has_a_reason(response: bytes, reason: str) -> None:
    async with proxied(response) as (pool, _):
        with pytest.raises(ProviderFailure) as failed:
            await pool.acquire(5)
        assert failed.value.reason == reason
        assert failed.value.detail.message == f"the provider cannot be reached: {REASONS[reason]}"


@on_every_loop
async def test_egress_proxy_tunnel_carries_tls_with_a_private_authority(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    pem = tmp_path / "server.pem"
    subject = ("-subj", "/CN=model.internal", "-addext", "subjectAltName=DNS:model.internal")
    command = (openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject)
    await asyncio.to_thread(subprocess.run, [*command, "-keyout", pem, "-out", pem], check=True, capture_output=True)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(pem)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        await connection.request()
        await connection.send(sized(b"secure"))
        await connection.peer_closed()
        connection.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=theirs)
    try:
        async with proxied(
            b"HTTP/1.1 200 OK\r\n\r\n",
            url="https://model.internal/v1",
            tls=lambda: ssl.create_default_context(cafile=str(pem)),
            served=server.sockets[0].getsockname()[1],
        ) as (pool, heads):
            listener, _ = await start_call(pool)
            assert await listener.whole() == "secure"
        assert heads[0].startswith(b"CONNECT model.internal:443 HTTP/1.1\r\n")
    finally:
        server.close()


@pytest.mark.parametrize(
    ("host", "proxy", "rules", "whose"),
    [
        ("api.example.com", "127.0.0.1", AddressRules(), "proxy"),
        ("169.254.169.254", "127.0.0.1", LOOPBACK, "provider"),
    ],
)
async def test_egress_proxy_and_an_address_behind_it_follow_the_address_policy(
    host: str, proxy: str, rules: AddressRules, whose: str
) -> None:
    pool = ConnectionPool(f"http://{host}/v1", no_tls, rules, EgressProxy(proxy, 1))
    with pytest.raises(PenstockError, match=f"the {whose}'s address is not allowed"):
        await pool.acquire(5)
