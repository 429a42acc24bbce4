"""Resolves a host's name, checks the addresses, and connects to an allowed one, or to a proxy in the same way.

Of several addresses the first that answers is used (RFC 8305, Happy Eyeballs): the next is tried when one fails, or has
not answered for a moment. The event loop's own implementation is not used: it resolves the name itself, so the address
could not be checked before the connection.

Behind a proxy the worker resolves and checks the proxy's name. The provider's is the proxy's to resolve, as most
networks with a proxy have no resolver for it; an address in place of a name is still checked here.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import structlog
from aiohappyeyeballs import AddrInfoType, remove_addr_infos, start_connection

from penstock_contract.errors import PenstockError
from penstock_worker.upstream.address_policy import AddressRules
from penstock_worker.upstream.egress_proxy import EgressProxy, is_address
from penstock_worker.upstream.proxy_tunnel import open_tunnel

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
Protocol = TypeVar("Protocol", bound=asyncio.Protocol)

NEXT_AFTER_S = 0.25
"""RFC 8305 §5."""

log = structlog.get_logger("penstock.worker")


async def resolve(host: str, port: int) -> list[str]:
    """The system's resolver; raises `OSError`. Accepts addresses too, in every form that the system parses."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Connector:
    """Connects to one host and port. Its name is resolved, and its addresses checked, for each connection."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        rules: AddressRules,
        resolve: Resolve = resolve,
        proxy: EgressProxy | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._proxy = proxy
        self._tls = tls
        self._rules = rules
        self._resolve = resolve

    async def connect(self, protocol: Callable[[], Protocol]) -> Protocol:
        """Raises `OSError`, or `provider_unavailable` for a host of which no address is allowed."""
        allowed = await self._allowed()
        while True:
            sock, address = await self._first(allowed)
            try:
                await self._tunnel(sock)
                _, made = await asyncio.get_running_loop().create_connection(
                    protocol,
                    sock=sock,
                    ssl=self._tls,
                    # The certificate must be the name's, not the address's.
                    server_hostname=self._host if self._tls else None,
                )
            except OSError:
                # It accepted the connection, and the TLS handshake failed: another address may succeed.
                remove_addr_infos(allowed, address)
                if not allowed:
                    raise
            else:
                return made

    async def _allowed(self) -> list[AddrInfoType]:
        """The addresses to connect to: at least one. Raises `OSError` and `provider_unavailable`."""
        host, port = (self._host, self._port) if self._proxy is None else (self._proxy.host, self._proxy.port)
        addresses = await self._resolve(host, port)
        allowed = [_info(address, port) for address in addresses if self._rules.allow(address)]
        if not allowed:
            log.warning("worker.address_refused", host=host, addresses=addresses[:8])
            whose = "provider" if self._proxy is None else "proxy"
            raise PenstockError("provider_unavailable", f"the {whose}'s address is not allowed")
        if self._proxy is not None and is_address(self._host) and not self._rules.allow(self._host):
            log.warning("worker.address_refused", host=self._host, addresses=[self._host])
            raise PenstockError("provider_unavailable", "the provider's address is not allowed")
        return allowed

    async def _tunnel(self, sock: socket.socket) -> None:
        if self._proxy is None:
            return
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            await open_tunnel(self._proxy, sock, f"{host}:{self._port}")
        except BaseException:
            sock.close()
            raise

    async def _first(self, allowed: list[AddrInfoType]) -> tuple[socket.socket, Any]:
        """A socket to the first address that answers, and that address."""
        try:
            sock = await start_connection(allowed, happy_eyeballs_delay=NEXT_AFTER_S)
        except RuntimeError as error:  # uvloop raises it for some cases of asyncio's OSError
            raise OSError(str(error)) from error
        try:
            return sock, sock.getpeername()
        except OSError:  # closed already
            sock.close()
            raise


def _info(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
