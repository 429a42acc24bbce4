"""The addresses that a worker may connect to; it connects to exactly the address that it has checked."""

import asyncio
import socket
import ssl
from typing import Self

import pytest
from unit.support.loops import on_every_loop
from unit.support.upstream import no_tls

from penstock_contract.errors import PenstockError
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.connector import NEXT_AFTER_S, Connector, resolve

LOOPBACK = AddressRules.parse("127.0.0.0/8, ::1")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1:7f00:0:100::",
        "64:ff9b:1:1:7f:0:1:0",
        "64:ff9b:1::7f:0:100:0",
        "64:ff9b:1::a9fe:a9fe",
        "::ffff:0:127.0.0.1",
        "::ffff:0:169.254.169.254",
        "2001:db8::5efe:127.0.0.1",
        "2001:db8::200:5efe:169.254.169.254",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254",
        "2001:0:7f00:1::1",
        "not an address",
        "",
    ],
)
def test_address_policy_forbids_this_machine_its_link_and_metadata(address: str) -> None:
    assert not AddressRules().allow(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.7",
        "172.16.3.4",
        "192.168.1.20",
        "100.64.0.1",
        "8.8.8.8",
        "2606:4700::1111",
        "fd12:3456::1",
        "::ffff:8.8.8.8",
    ],
)
def test_address_policy_allows_the_internet_and_private_networks(address: str) -> None:
    assert AddressRules().allow(address)


def test_address_policy_allows_a_configured_network_in_every_form_and_nothing_else() -> None:
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert LOOPBACK.allow(address)
    for address in ("0.0.0.0", "169.254.169.254", "::", "fe80::1"):
        assert not LOOPBACK.allow(address)


def test_address_policy_names_an_invalid_network() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        AddressRules.parse("127.0.0.0/8,10.0.0.1/8")
    assert AddressRules.parse("") == AddressRules()


class Listening:
    """A loopback server that counts its connections."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._address = (host, port)
        self.connections = 0

    async def __aenter__(self) -> Self:
        def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            writer.close()

        self._server = await asyncio.start_server(connected, *self._address)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


async def _connect(connector: Connector) -> str:
    made = await connector.connect(asyncio.Protocol)
    assert isinstance(made, asyncio.Protocol)
    return "connected"


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1"])
async def test_connector_refuses_every_form_of_loopback_with_the_real_resolver(host: str) -> None:
    async with Listening() as server:
        with pytest.raises(PenstockError) as refused:
            await _connect(Connector(host, server.port, None, AddressRules()))
        assert refused.value.code == "provider_unavailable"
        assert "127" not in refused.value.detail.message
        assert server.connections == 0


async def test_connector_resolves_a_name_once_per_connection() -> None:
    answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]]
    resolved: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        resolved.append(host)
        return answers.pop(0)

    async with Listening("127.0.0.2") as theirs, Listening("127.0.0.1", theirs.port) as ours:
        connector = Connector("evil.test", theirs.port, None, AddressRules.parse("127.0.0.2"), rebinding)
        assert await _connect(connector) == "connected"
        assert resolved == ["evil.test"], "resolved again between the check and the connection"
        with pytest.raises(PenstockError):
            await _connect(connector)
        assert ours.connections == 0


async def test_connector_tries_only_the_allowed_addresses_in_order() -> None:
    async def several(_host: str, _port: int) -> list[str]:
        return ["169.254.169.254", "127.0.0.2", "127.0.0.1"]

    async with Listening() as server:
        assert await _connect(Connector("many.test", server.port, None, LOOPBACK, several)) == "connected"


async def test_connector_raises_os_error_for_a_name_without_an_address() -> None:
    async def no_address(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(OSError, match="unknown"):
        await _connect(Connector("nobody.test", 1, None, AddressRules(), no_address))


async def test_connector_verifies_the_certificate_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    async def create_connection(factory: object, **options: object) -> tuple[None, object]:
        sock = options.pop("sock")
        assert isinstance(sock, socket.socket)
        seen.update(options, address=sock.getpeername(), factory=factory)
        sock.close()
        return None, asyncio.Protocol()

    async def local(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    tls: ssl.SSLContext = no_tls()
    async with Listening() as server:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", create_connection)
        await _connect(Connector("api.example.com", server.port, tls, LOOPBACK, local))
    assert seen["address"] == ("127.0.0.1", server.port)
    assert seen["server_hostname"] == "api.example.com"
    assert seen["ssl"] is tls


class Silent:
    """An address that does not answer: a server with a full backlog drops further connections."""

    def __init__(self, host: str, port: int) -> None:
        self._server = socket.socket()
        self._server.bind((host, port))
        self._server.listen(0)
        self.port = self._server.getsockname()[1]
        self._waiting = [socket.socket() for _ in range(4)]
        for sock in self._waiting:
            sock.setblocking(False)
            sock.connect_ex((host, self.port))

    def close(self) -> None:
        for sock in (self._server, *self._waiting):
            sock.close()


@on_every_loop
async def test_connector_tries_the_next_address_after_a_silent_one() -> None:
    async def several(_host: str, _port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.3", "127.0.0.1"]

    async with Listening() as server:
        silent = [Silent(host, server.port) for host in ("127.0.0.2", "127.0.0.3")]
        connector = Connector("two.test", server.port, None, LOOPBACK, several)
        async with asyncio.timeout(4 * NEXT_AFTER_S):
            assert await _connect(connector) == "connected"
        for one in silent:
            one.close()


@on_every_loop
async def test_connector_never_tries_a_forbidden_address() -> None:
    async def several(_host: str, _port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with Listening() as forbidden:
        silent = Silent("127.0.0.2", forbidden.port)
        connector = Connector("two.test", forbidden.port, None, AddressRules.parse("127.0.0.2"), several)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * NEXT_AFTER_S):
                await _connect(connector)
        silent.close()
        assert forbidden.connections == 0


@on_every_loop
async def test_connector_tries_the_next_address_after_a_failed_handshake() -> None:
    async def several(_host: str, _port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with Listening("127.0.0.2") as first, Listening("127.0.0.1", first.port) as second:
        with pytest.raises(OSError):  # noqa: PT011 - each loop has its own
            await _connect(Connector("two.test", first.port, no_tls(), LOOPBACK, several))
        assert (first.connections, second.connections) == (1, 1)


async def test_resolver_returns_each_address_once() -> None:
    found = await resolve("127.0.0.1", 80)
    assert found == ["127.0.0.1"]
